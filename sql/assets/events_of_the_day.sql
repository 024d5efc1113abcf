-- The events of a day's sessions, whenever they came: what the rules read as session_events.
-- Reads search_sessions (one day), all_events.
select event_id, session_id, item_id, event_type, occurred_at
from all_events
where session_id in (select session_id from search_sessions)
