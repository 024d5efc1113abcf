-- A text of the day has one vector under the model in its role. A second one costs room and is passed over, so this does not
-- block.
-- To do: Two runs encoded the text at once, each in a process of its own. Delete the second row if you mind; let day runs be
-- started by one daemon, which the pool gpu keeps in line.
-- warns; reads sampled_inputs, items, text_vectors
with texts as (
    select 'query' as role, query_hash as text_hash from sampled_inputs
    union
    select 'item', text_hash from items where item_id in (select unnest(item_ids) from sampled_inputs)
),
-- found by their keys alone: the vectors of the others are not read
twice as materialized (
    select role, text_hash
    from text_vectors
    semi join texts using (role, text_hash)
    where model = $model
    group by role, text_hash
    having count(*) > 1
)
select role, text_hash, count(*) as rows, count(distinct vector) as different_vectors
from text_vectors
semi join twice using (role, text_hash)
where model = $model
group by role, text_hash
