-- Where the ranker is cosine, the stored vectors of the day's texts have length 1, to within `tolerance`. The kernel divides
-- by the lengths, so the ranks are right in any case and this does not block; it is for who multiplies stored vectors, as a
-- vector index does.
-- To do: Use a model that normalizes (sentence-transformers: a Normalize module at its end), or divide by the length wherever
-- you read text_vectors.
-- parameters: tolerance=0.001 in [0, 1]
-- warns; reads sampled_inputs, items, text_vectors
with texts as (
    select 'query' as role, query_hash as text_hash from sampled_inputs where $ranker = 'cosine'
    union
    select 'item', text_hash
    from items
    where $ranker = 'cosine' and item_id in (select unnest(item_ids) from sampled_inputs)
),
lengths as (
    select role, text_hash, sqrt(list_sum(list_transform(vector, lambda x: x::double * x::double))) as length
    from text_vectors
    semi join texts using (role, text_hash)
    where model = $model
)
select role,
    (select min(session_id) from sampled_inputs as s where lengths.role = 'query' and s.query_hash = lengths.text_hash) as session_id,
    (select min(item_id) from items as i where lengths.role = 'item' and i.text_hash = lengths.text_hash) as item_id,
    length
from lengths
where abs(length - 1) > $tolerance
order by abs(length - 1) desc
