-- An event is there once.
-- To do: The log's tables stop every day until they are mended. Delete one of the rows: a program other than an ingestion
-- wrote here, for an ingestion refuses an event that it knows.
-- blocks; reads session_events
with twice as (select event_id from session_events group by event_id having count(*) > 1)
select event_id, count(*) as rows, list(distinct source_file) as source_files
from session_events semi join twice on session_events.event_id is not distinct from twice.event_id
group by event_id
