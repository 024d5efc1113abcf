-- The items that the day's sessions list, and how often. They are counted beforehand, as counted_items.
-- reads sampled_inputs
select item_id, results
from counted_items
