-- Where the ranker is cosine, the stored vectors of the day's texts have length 1, to within `tolerance`. The kernel divides
-- by the lengths, so the ranks are right in any case and this does not block; it is for who multiplies stored vectors, as a
-- vector index does.
-- To do: Use a model that normalizes (sentence-transformers: a Normalize module at its end), or divide by the length wherever
-- you read text_vectors.
-- parameters: tolerance=0.001 in [0, 1]
-- warns; reads sampled_inputs, items, text_vectors; through vectors_of_the_day
select role, session_id, item_id, length
from vectors_of_the_day
where $ranker = 'cosine'
  and abs(length - 1) > $tolerance
order by abs(length - 1) desc
