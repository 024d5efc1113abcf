-- The texts that a day's pairs are scored with: by query hash for queries, by item id for items. Their vectors are read beside.
-- Reads sampled_inputs (one day), items. Parameters: $role.
select distinct query_hash as key, query_hash as text_hash from sampled_inputs where $role = 'query'
union all
select i.item_id, i.text_hash
from items as i
where $role = 'item' and i.item_id in (select unnest(item_ids) from sampled_inputs)
