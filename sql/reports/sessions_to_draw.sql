-- The sessions whose confidences are drawn by position: those with pairs, and of very many a sample, the same at every look; how
-- many there are in all, and whether the list is ready as it was shown. Reads sessions_of_pairs, whole_lists. Parameters: $most.
with chosen as (
    select session_id, count(*) over () as sessions
    from sessions_of_pairs
    order by md5(session_id)
    limit $most::bigint
)
select chosen.*, session_id in (select session_id from whole_lists) as is_whole
from chosen
