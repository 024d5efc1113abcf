-- The vectors of the day's texts are there, of one width, finite, and not all zero.
-- To do: Delete the rows of these texts and make the day of text_vectors anew. If they come back so, the model gives no vector
-- for such a text (an empty one, say): see its prompt and the text.
-- blocks; reads sampled_inputs, items, text_vectors; through vectors_of_the_day
with vectors as (from vectors_of_the_day where is_there),
wanted as (select mode(width) as width from vectors)
select role, session_id, item_id, width, (select width from wanted) as expected_width
from vectors
where width is distinct from (select width from wanted)
   or numbers <> width
   or not is_finite
   or is_zero
