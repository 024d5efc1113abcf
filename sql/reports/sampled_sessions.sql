-- Sessions with their objects counted: an object drew an event if a part did. Reads sampled_inputs.
with sessions as (
    select session_id, session_date, is_irrelevant, object_ids, clicked, kept,
        /* Items are unique in a session: told apart is what is no item. */
        case
            when object_ids = item_ids then true
            else coalesce(list_unique(object_ids) = len(object_ids), false)
        end as is_simple
    from sampled_inputs
),
/* Where no object has two parts, there is nothing to group. */
parts as (
    select session_id, unnest(object_ids) as object_id, unnest(clicked) as clicked, unnest(kept) as kept
    from sessions
    where not is_simple
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
from sessions as s
join counted as c using (session_id)
where not s.is_simple
union all
select session_id, session_date, is_irrelevant,
    len(list_filter(clicked, lambda c: c)) as events,
    len(clicked) - events as not_events,
    /* Mostly all are kept. */
    if(list_contains(kept, false), len(list_filter(clicked, lambda c, i: not c and kept[i])), not_events)
from sessions
where is_simple
