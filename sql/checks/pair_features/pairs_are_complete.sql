-- A session that is not irrelevant has as many pairs as clicked objects times kept not-event objects.
-- To do: Make the day of pair_features anew. If it comes back, pairs are lost or doubled on the way: do not train on the day,
-- and report it with the sessions shown.
-- blocks; reads pair_features, sampled_inputs
with sessions as (
    select session_id, object_ids, clicked, kept,
        count(*) over (partition by session_id) = 1
            and coalesce(list_unique(object_ids) = len(object_ids), false)
            and coalesce(len(clicked) = len(object_ids) and len(kept) = len(object_ids), false) as is_simple
    from sampled_inputs
    where not is_irrelevant
),
/* Where no object has two parts, which is mostly so, there is nothing to group. */
parts as (
    select session_id, unnest(object_ids) as object_id, unnest(clicked) as clicked, unnest(kept) as kept
    from sessions
    where not is_simple
),
objects as (
    select session_id, object_id, bool_or(clicked) as clicked, bool_and(kept) as kept
    from parts
    group by session_id, object_id
),
expected as (
    select session_id, count(*) filter (clicked) as positives, count(*) filter (not clicked and kept) as negatives
    from objects
    group by session_id
    union all
    select session_id, len(list_filter(clicked, lambda c: c)), len(list_filter(clicked, lambda c, i: not c and kept[i]))
    from sessions
    where is_simple
),
made as (select session_id, count(*) as pairs from pair_features where pairing = 'session' group by session_id),
both_sides as (
    select session_id, positives, negatives, coalesce(positives * negatives, 0) as expected, coalesce(pairs, 0) as pairs
    from expected
    full join made using (session_id)
)
select *
from both_sides
where pairs <> expected
order by session_id
