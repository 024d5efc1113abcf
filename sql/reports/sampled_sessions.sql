-- Sessions with their objects counted: an object drew an event if a part did, and is kept if a part is. Reads sampled_inputs.
with sessions as (
    select
        session_id, session_date, is_irrelevant, object_ids, item_ids,
        /* Items are unique in a session: told apart is what is no item. */
        case when object_ids = item_ids then len(object_ids) else list_unique(object_ids) end as objects,
        count_objects(object_ids, item_ids, clicked) as events,
        /* Mostly all are kept, and there is nothing to count. */
        if(list_contains(kept, false), list_transform(kept, lambda k, i: k or clicked[i]), null) as in_pairs
    from sampled_inputs
)
select
    session_id, session_date, is_irrelevant,
    events,
    objects - events as not_events,
    if(in_pairs is null, objects, count_objects(object_ids, item_ids, in_pairs)) - events as not_events_kept
from sessions
