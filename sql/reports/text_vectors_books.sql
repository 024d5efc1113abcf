-- How many texts a day needs, by role. Reads sampled_inputs (one day), items.
select 'query' as role, count(distinct query_hash) as texts
from sampled_inputs
union all
select 'item', count(distinct text_hash)
from items
where item_id in (select unnest(item_ids) from sampled_inputs)
