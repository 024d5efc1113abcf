-- session_date is the UTC date of started_at.
-- To do: The log's tables stop every day until they are mended. A session stands in the wrong day. Delete the row and land its
-- source_file again under another name.
-- blocks; reads search_sessions
select session_id, session_date, started_at
from search_sessions
where session_date is distinct from started_at::date
