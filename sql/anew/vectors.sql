-- The vectors of a sample's texts: by query hash for queries, by item id for items. A text with two different ones is left
-- out, for pairs may have been scored with either. Reads sample, items, text_vectors. Parameters: $model.
with wanted as (
    select distinct 'query' as role, query_hash as key, query_hash as text_hash from sample
    union all
    select 'item', item_id, text_hash from items where item_id in (select unnest(item_ids) from sample)
)
select w.role, w.key, any_value(v.vector) as vector
from text_vectors as v
join wanted as w using (role, text_hash)
where v.model = $model
group by w.role, w.key
having count(distinct v.vector) = 1
