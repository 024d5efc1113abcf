-- The vectors that a day's pairs are scored with: by query hash for queries, by item id for items. Vectors stream past the
-- texts that are wanted, and only these are held: neither the other vectors nor those found are gathered here. A text that
-- two runs have encoded comes twice; whoever reads takes the first.
-- Reads sampled_inputs (one day), items, text_vectors. Parameters: $model, $role.
with wanted as materialized (
    select distinct query_hash as key, query_hash as text_hash from sampled_inputs where $role = 'query'
    union all
    select i.item_id, i.text_hash
    from items as i
    where $role = 'item' and i.item_id in (select unnest(item_ids) from sampled_inputs)
),
vectors as (
    select text_hash, vector from text_vectors where model = $model and role = $role
)
select key, vector
from vectors
join wanted using (text_hash)
