-- An event is there once.
-- To do: The log's tables stop every day until they are mended. Delete one of the rows: a program other than an ingestion
-- wrote here, for an ingestion refuses an event that it knows.
-- blocks; reads session_events
select event_id, count(*) as rows, list(distinct source_file) as source_files
from session_events
group by event_id
having count(*) > 1
