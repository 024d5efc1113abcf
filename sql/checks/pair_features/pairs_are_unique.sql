-- A pair of a session stands once.
-- blocks; reads pair_features
select session_id, positive_id, negative_id, count(*) as rows
from pair_features
where pairing = 'session'
group by session_id, positive_id, negative_id
having count(*) > 1
