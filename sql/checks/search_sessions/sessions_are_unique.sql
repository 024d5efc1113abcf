-- A session is there once.
-- To do: The log's tables stop every day until they are mended. Delete one of the rows: a program other than an ingestion
-- wrote here, for an ingestion refuses a session that it knows.
-- blocks; reads search_sessions
with twice as (select session_id from search_sessions group by session_id having count(*) > 1)
select session_id, count(*) as rows, list(distinct source_file) as source_files
from search_sessions semi join twice on search_sessions.session_id is not distinct from twice.session_id
group by session_id
