-- Sessions whose results are not all ready just as they were shown. Reads fine_tuning_inputs, whole_lists.
select session_id
from fine_tuning_inputs
where session_id not in (select session_id from whole_lists)
