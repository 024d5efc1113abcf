-- A rule flags a session once.
-- To do: Make the day of flagged_sessions anew. If it comes back, the query of the rule in sql/rules selects a session twice.
-- blocks; reads flagged_sessions
select session_id, rule, count(*) as rows
from flagged_sessions
group by session_id, rule
having count(*) > 1
