-- Every item has a text in the catalogue: results without one were removed.
-- To do: Make the day anew from fine_tuning_inputs on: an item lost its text since, and would have no vector.
-- blocks; reads sampled_inputs, items; through listed_items
select item_id, results as shown
from listed_items
where item_id not in (select item_id from items where text_hash is not null)
order by shown desc, item_id
