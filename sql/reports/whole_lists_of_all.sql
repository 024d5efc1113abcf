-- What whole_lists says where every list is known to be ready as it was shown. Reads fine_tuning_inputs.
select session_id, len(clicked) as results, clicked
from fine_tuning_inputs
