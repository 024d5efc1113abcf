-- Every text of the day, query or item, has a vector under the model.
-- To do: Make the day of text_vectors anew: it encodes what is missing, and nothing else.
-- blocks; reads sampled_inputs, items, text_vectors
with texts as (
    select distinct 'query' as role, query_hash as text_hash from sampled_inputs
    union all
    select distinct 'item', text_hash from items where item_id in (select unnest(item_ids) from sampled_inputs)
)
select role, text_hash
from texts
where (role, text_hash) not in (select (role, text_hash) from text_vectors where model = $model)
