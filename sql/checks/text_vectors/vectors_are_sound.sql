-- The vectors of the day's texts are there, of one width, finite, and not all zero.
-- To do: Delete the rows of these texts and make the day of text_vectors anew. If they come back so, the model gives no vector
-- for such a text (an empty one, say): see its prompt and the text.
-- blocks; reads sampled_inputs, items, text_vectors
with texts as (
    select 'query' as role, query_hash as text_hash from sampled_inputs
    union
    select 'item', text_hash from items where item_id in (select unnest(item_ids) from sampled_inputs)
),
-- of each vector a few numbers, not the vector: the sum of floats in double precision is finite where all of them are
vectors as materialized (
    select
        v.role, v.text_hash, len(v.vector) as width, list_aggregate(v.vector, 'count') as numbers,
        list_sum(v.vector) as total, list_min(v.vector) as least, list_max(v.vector) as most
    from text_vectors as v
    semi join texts using (role, text_hash)
    where v.model = $model
),
wanted as (select mode(width) as width from vectors)
select role,
    (select min(session_id) from sampled_inputs as s where vectors.role = 'query' and s.query_hash = vectors.text_hash) as session_id,
    (select min(item_id) from items as i where vectors.role = 'item' and i.text_hash = vectors.text_hash) as item_id,
    width, (select width from wanted) as expected_width
from vectors
where width is distinct from (select width from wanted)
   or numbers <> width
   or not coalesce(isfinite(total), false)
   or (least = 0 and most = 0)
