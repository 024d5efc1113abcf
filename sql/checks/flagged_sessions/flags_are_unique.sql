-- A rule flags a session once.
-- blocks; reads flagged_sessions
select session_id, rule, count(*) as rows
from flagged_sessions
group by session_id, rule
having count(*) > 1
