-- The vectors of the day's texts are there, of one width, finite, and not all zero.
-- To do: Delete the rows of these texts and make the day of text_vectors anew. If they come back so, the model gives no vector
-- for such a text (an empty one, say): see its prompt and the text.
-- blocks; reads sampled_inputs, items, text_vectors
with texts as (
    select 'query' as role, query_hash as text_hash from sampled_inputs
    union
    select 'item', text_hash from items where item_id in (select unnest(item_ids) from sampled_inputs)
),
vectors as (
    select v.role, v.text_hash, v.vector
    from text_vectors as v
    semi join texts using (role, text_hash)
    where v.model = $model
),
wanted as (select mode(len(vector)) as width from vectors)
select role,
    (select min(session_id) from sampled_inputs as s where vectors.role = 'query' and s.query_hash = vectors.text_hash) as session_id,
    (select min(item_id) from items as i where vectors.role = 'item' and i.text_hash = vectors.text_hash) as item_id,
    len(vector) as width, (select width from wanted) as expected_width
from vectors
where len(vector) is distinct from (select width from wanted)
   or len(list_filter(vector, lambda x: x is null or not isfinite(x))) > 0
   or coalesce(list_sum(list_transform(vector, lambda x: abs(x))), 0) = 0
