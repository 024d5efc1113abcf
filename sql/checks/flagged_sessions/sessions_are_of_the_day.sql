-- A flag stands on a session of the day.
-- To do: Make the day of flagged_sessions anew. If it comes back, the query of the rule selects sessions that it was not
-- given.
-- blocks; reads flagged_sessions, search_sessions
select session_id, session_date, rule, is_enforced
from flagged_sessions
where session_id not in (select session_id from search_sessions)
