-- Every text of the day, query or item, has a vector under the model. (A query is named by a session that asked it.)
-- To do: Make the day of text_vectors anew: it encodes what is missing, and nothing else.
-- blocks; reads sampled_inputs, items, text_vectors
with texts as (
    select distinct 'query' as role, query_hash as text_hash from sampled_inputs
    union all
    select distinct 'item', text_hash from items where item_id in (select unnest(item_ids) from sampled_inputs)
)
select role,
    (select min(session_id) from sampled_inputs as s where texts.role = 'query' and s.query_hash = texts.text_hash) as session_id,
    (select min(item_id) from items as i where texts.role = 'item' and i.text_hash = texts.text_hash) as item_id
from texts
where (role, text_hash) not in (select (role, text_hash) from text_vectors where model = $model)
