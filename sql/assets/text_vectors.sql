-- The texts of a day that have no vector under this model yet, each once and in its role.
-- Reads sampled_inputs (one day), items, text_vectors. Parameters: $model.
with texts as (
    select 'query' as role, query_hash as text_hash, any_value(query_text) as text
    from sampled_inputs
    group by query_hash
    union all
    select 'item', i.text_hash, any_value(i.text)
    from items as i
    where i.item_id in (select unnest(item_ids) from sampled_inputs)
    group by i.text_hash
),
known as (
    select role, text_hash from text_vectors where model = $model
)
select role, text_hash, text
from texts
anti join known using (role, text_hash)
