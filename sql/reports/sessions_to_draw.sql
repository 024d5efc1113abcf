-- The sessions whose confidences are drawn by position: those with pairs, and of very many a sample, the same at every look; and
-- how many there are in all. Reads sessions_of_pairs. Parameters: $most.
select session_id, count(*) over () as sessions
from sessions_of_pairs
order by md5(session_id)
limit $most::bigint
