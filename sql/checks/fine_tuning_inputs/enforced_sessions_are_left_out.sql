-- No session is left that an enforced rule flags.
-- blocks; reads fine_tuning_inputs, flagged_sessions
select session_id, rule, detail
from fine_tuning_inputs
join flagged_sessions using (session_id)
where is_enforced
