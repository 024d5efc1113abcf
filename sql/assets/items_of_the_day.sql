-- The items that the day shows, with the hash of what they say. Reads sampled_inputs (one day), items.
select item_id, text_hash
from items
where item_id in (select unnest(item_ids) from sampled_inputs)
