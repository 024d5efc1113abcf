-- Every text of the day, query or item, has a vector under the model. (A query is named by a session that asked it.)
-- To do: Make the day of text_vectors anew: it encodes what is missing, and nothing else.
-- blocks; reads sampled_inputs, items, text_vectors; through vectors_of_the_day
select role, session_id, item_id
from vectors_of_the_day
where not is_there
