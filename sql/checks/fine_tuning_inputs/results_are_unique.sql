-- An item stands once in a session's list.
-- blocks; reads fine_tuning_inputs
select session_id, item_ids
from fine_tuning_inputs
where len(list_distinct(item_ids)) <> list_count(item_ids)
