-- A flag stands on a session of the day.
-- blocks; reads flagged_sessions, search_sessions
select session_id, rule, detail
from flagged_sessions
where session_id not in (select session_id from search_sessions)
