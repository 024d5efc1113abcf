-- The texts of the day, each once, named by the first session that asked it or the first item that bears it.
-- reads sampled_inputs, items
select 'query' as role, query_hash as text_hash, min(session_id) as session_id, null::varchar as item_id
from sampled_inputs
group by query_hash
union all
select 'item', text_hash, null, min(item_id)
from items
where item_id in (select unnest(item_ids) from sampled_inputs)
group by text_hash
