-- A session is there once.
-- blocks; reads search_sessions
select session_id, count(*) as rows, list(distinct source_file) as source_files
from search_sessions
group by session_id
having count(*) > 1
