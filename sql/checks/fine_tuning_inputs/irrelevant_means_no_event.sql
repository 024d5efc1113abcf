-- A session that drew no event is irrelevant; so one that is not irrelevant has a clicked item.
-- blocks; reads fine_tuning_inputs
select session_id, clicked, is_irrelevant
from fine_tuning_inputs
where not is_irrelevant and not coalesce(list_bool_or(clicked), false)
