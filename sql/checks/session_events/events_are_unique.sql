-- An event is there once.
-- blocks; reads session_events
select event_id, count(*) as rows, list(distinct source_file) as source_files
from session_events
group by event_id
having count(*) > 1
