-- The sessions of which sampled_inputs and fine_tuning_inputs have to be compared: all of them, or where their files hold the
-- same bytes ($are_copies) those that are not one row each.
-- reads sampled_inputs, fine_tuning_inputs
select session_id
from sampled_inputs
group by session_id
having not $are_copies or count(*) > 1 or session_id is null
union
select session_id from fine_tuning_inputs where not $are_copies
