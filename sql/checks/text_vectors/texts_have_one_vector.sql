-- A text of the day has one vector under the model in its role. A second one costs room and is passed over, so this does not
-- block.
-- To do: Something else than ft_assets wrote to the table, or an older version with two runs at once: vectors are compared
-- with the table before they are committed. Delete the second row if you mind.
-- warns; reads sampled_inputs, items, text_vectors; through vectors_of_the_day
select role, any_value(session_id) as session_id, any_value(item_id) as item_id,
    count(*) as rows, count(distinct hash) as different_vectors
from vectors_of_the_day
where is_there
group by role, text_hash
having count(*) > 1
