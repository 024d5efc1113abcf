-- The sessions that an enforced rule leaves out, each with the first of its rules by name. Reads flagged_sessions.
select session_id, min(rule) as rule
from flagged_sessions
where is_enforced
group by session_id
