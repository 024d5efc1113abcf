-- The sessions whose confidences are drawn by position: those with pairs, and of very many a sample, the same at every look; and
-- how many there are in all. Reads pair_features. Parameters: $most.
select session_id, count(*) over () as sessions
from (select distinct session_id from pair_features)
order by md5(session_id)
limit $most::bigint
