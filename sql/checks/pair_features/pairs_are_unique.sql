-- A pair of a session stands once.
-- To do: Make the day of pair_features anew. If it comes back, sampled_inputs names the session twice: see its
-- sessions_are_unique.
-- blocks; reads pair_features, sampled_inputs; through doubtful_sessions
select p.session_id, p.positive_id, p.negative_id, count(*) as rows
from pair_features as p
semi join doubtful_sessions as d on d.session_id is not distinct from p.session_id
where p.pairing = 'session'
group by p.session_id, p.positive_id, p.negative_id
having count(*) > 1
