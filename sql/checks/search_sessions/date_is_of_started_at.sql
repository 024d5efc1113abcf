-- session_date is the UTC date of started_at.
-- blocks; reads search_sessions
select session_id, session_date, started_at
from search_sessions
where session_date is distinct from started_at::date
