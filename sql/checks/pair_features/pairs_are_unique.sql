-- A pair of a session stands once.
-- To do: Make the day of pair_features anew. If it comes back, sampled_inputs names the session twice: see its
-- sessions_are_unique.
-- blocks; reads pair_features
select session_id, positive_id, negative_id, count(*) as rows
from pair_features
where pairing = 'session'
group by session_id, positive_id, negative_id
having count(*) > 1
