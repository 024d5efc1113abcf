-- An item stands once in a session's list.
-- To do: Make the day anew. If it comes back, the item stands in items twice: see items_are_unique.
-- blocks; reads fine_tuning_inputs
select session_id, item_ids
from fine_tuning_inputs
where has_repeats(item_ids)
