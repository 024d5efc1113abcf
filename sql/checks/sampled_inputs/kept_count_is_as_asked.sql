-- Of a session's n not-event objects as many stay as its setting says: max(1, floor(factor * n)), none for 0, all for 1, the
-- product in double precision.
-- To do: Make the day of sampled_inputs anew. If it comes back, the kernel and this rule disagree: report it with the session
-- and the factor.
-- blocks; reads sampled_inputs; through sampled_lists
/* Where all are to stay and every result does, nothing can be wrong: such sessions are not looked at part by part. */
with looked_at as (
    select session_id
    from sampled_lists
    where $factor::double <> 1 or not is_whole
),
parts as (
    select session_id, unnest(object_ids) as object_id, unnest(clicked) as clicked, unnest(kept) as kept
    from sampled_inputs
    where session_id in (select session_id from looked_at)
),
objects as (
    select session_id, object_id, bool_or(clicked) as clicked, bool_and(kept) as kept
    from parts
    where object_id is not null
    group by session_id, object_id
),
counts as (
    select session_id, count(*) filter (not clicked) as not_events, count(*) filter (not clicked and kept) as kept
    from objects
    group by session_id
),
expected as (
    select *,
        case
            when $factor::double = 0 then 0
            when $factor::double = 1 then not_events
            else least(not_events, greatest(1, floor($factor::double * not_events::double)::bigint))
        end as expected
    from counts
)
select session_id, not_events, kept, expected, $factor::double as factor
from expected
where kept <> expected
