-- A text of the day has one vector under the model in its role. A second one costs room and is passed over, so this does not
-- block.
-- To do: Something else than ft_assets wrote to the table, or an older version with two runs at once: vectors are compared
-- with the table before they are committed. Delete the second row if you mind.
-- warns; reads sampled_inputs, items, text_vectors
with texts as (
    select 'query' as role, query_hash as text_hash from sampled_inputs
    union
    select 'item', text_hash from items where item_id in (select unnest(item_ids) from sampled_inputs)
),
/* Found by their keys alone: the vectors of the others are not read. */
repeated as materialized (
    select role, text_hash
    from text_vectors
    semi join texts using (role, text_hash)
    where model = $model
    group by role, text_hash
    having count(*) > 1
)
select t.role,
    (select min(session_id) from sampled_inputs as s where t.role = 'query' and s.query_hash = t.text_hash) as session_id,
    (select min(item_id) from items as i where t.role = 'item' and i.text_hash = t.text_hash) as item_id,
    count(*) as rows, count(distinct t.vector) as different_vectors
from text_vectors as t
semi join repeated using (role, text_hash)
where t.model = $model
group by t.role, t.text_hash
