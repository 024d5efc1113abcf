-- How many sessions have a click, how many pairs they give, and the sum of the squares of these numbers.
-- reads sampled_inputs
with counted as (
    select count_objects(object_ids, item_ids, clicked) as positives, count_objects(object_ids, item_ids, kept) as objects
    from sampled_inputs
    where not is_irrelevant
),
of_sessions as (select positives * (objects - positives) as pairs from counted where positives > 0)
select count(*) as sessions, coalesce(sum(pairs), 0)::bigint as pairs, coalesce(sum(pairs * pairs), 0)::bigint as squares
from of_sessions
