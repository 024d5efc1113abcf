-- The texts of a sample, by query hash for queries, by item id for items. Reads sample, items.
select distinct 'query' as role, query_hash as key, query_hash as text_hash
from sample
where query_hash is not null
union all
select 'item', item_id, text_hash
from items
where item_id in (select unnest(item_ids) from sample) and text_hash is not null
