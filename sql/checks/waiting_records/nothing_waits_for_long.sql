-- No event has waited for more than `days` days for its session, or for the place of its item in the list: what it belongs to
-- may never have been logged.
-- To do: See whether the file with these sessions was ever landed, and whether events and sessions spell session ids alike.
-- When the session comes, the event is joined to it.
-- parameters: days=7 in [0, 36500]
-- warns; reads waiting_records
select event_id, session_id, item_id, waits_for, source_file, record_number, ingested_at
from waiting_records
where ingested_at < now() - to_days($days)
