-- No session is left that an enforced rule flags.
-- To do: Make the day of fine_tuning_inputs anew: the rules that are enforced changed after it was made.
-- blocks; reads fine_tuning_inputs, flagged_sessions
select session_id, rule, is_enforced
from fine_tuning_inputs
join flagged_sessions using (session_id)
where is_enforced
