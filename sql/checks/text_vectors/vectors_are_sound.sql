-- The vectors of a model are of one width, finite, and not all zero.
-- blocks; reads text_vectors
with wanted as (select mode(len(vector)) as width from text_vectors where model = $model)
select role, text_hash, len(vector) as width, (select width from wanted) as expected_width
from text_vectors
where model = $model
  and (len(vector) is distinct from (select width from wanted)
    or len(list_filter(vector, lambda x: x is null or not isfinite(x))) > 0
    or coalesce(list_sum(list_transform(vector, lambda x: abs(x))), 0) = 0)
