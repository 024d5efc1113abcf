-- The vectors that a day's pairs are scored with: by query hash for queries, by item id for items. Only the day's texts are
-- looked at, however many the table holds.
-- Reads sampled_inputs (one day), items, text_vectors. Parameters: $model, $role.
with wanted as (
    select distinct query_hash as key, query_hash as text_hash from sampled_inputs where $role = 'query'
    union all
    select i.item_id, i.text_hash
    from items as i
    where $role = 'item' and i.item_id in (select unnest(item_ids) from sampled_inputs)
),
vectors as (
    select text_hash, any_value(vector) as vector
    from text_vectors
    where model = $model and role = $role and text_hash in (select text_hash from wanted)
    group by text_hash
)
select key, vector
from wanted
join vectors using (text_hash)
