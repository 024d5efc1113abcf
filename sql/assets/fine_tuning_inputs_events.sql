-- The events on some sessions, and which of them are positive.
-- Reads sessions (of one day), session_events. Parameters: $event_types.
select session_id, item_id, event_type in (select unnest($event_types::varchar[])) as is_positive
from session_events
where session_id in (select session_id from sessions)
