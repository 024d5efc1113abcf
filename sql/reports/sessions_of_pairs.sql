-- Sessions that have pairs, with how many pairs they have. Reads pairs.
select session_id, count(*)::bigint as pairs
from pairs
group by session_id
