-- Sessions with their objects counted: an object drew an event if a part did. Reads sampled_inputs.
with parts as (
    select session_id, unnest(object_ids) as object_id, unnest(clicked) as clicked, unnest(kept) as kept
    from sampled_inputs
),
objects as (
    select session_id, bool_or(clicked) as clicked, bool_or(kept) as kept
    from parts
    group by session_id, object_id
),
counted as (
    select
        session_id,
        count(*) filter (where clicked)::bigint as events,
        count(*) filter (where not clicked)::bigint as not_events,
        count(*) filter (where kept and not clicked)::bigint as not_events_kept
    from objects
    group by session_id
)
select s.session_id, s.session_date, s.is_irrelevant, c.events, c.not_events, c.not_events_kept
from sampled_inputs as s
join counted as c using (session_id)
