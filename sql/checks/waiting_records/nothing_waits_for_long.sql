-- No event has waited for more than a week for its session, or for the place of its item in the list: what it belongs to
-- may never have been logged.
-- warns; reads waiting_records
select event_id, session_id, item_id, waits_for, source_file, record_number, ingested_at
from waiting_records
where ingested_at < now() - interval 7 days
