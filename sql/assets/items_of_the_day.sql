-- The items that the day shows, with the hash of what they say. Reads counted_items (of sampled_inputs, one day), items.
select item_id, text_hash
from items
where item_id in (select item_id from counted_items)
