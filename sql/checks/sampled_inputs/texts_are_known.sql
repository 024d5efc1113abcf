-- Every shown item has a text in the catalogue: one without makes no pair.
-- warns; reads sampled_inputs, items
select item_id, count(*) as shown
from (select unnest(item_ids) as item_id from sampled_inputs)
where item_id not in (select item_id from items)
group by item_id
order by shown desc, item_id
