-- Sessions whose results are not all ready just as they were shown. Reads fine_tuning_inputs, whole_lists.
select session_id, false as is_whole
from fine_tuning_inputs
anti join whole_lists using (session_id)
