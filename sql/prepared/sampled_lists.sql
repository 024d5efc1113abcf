-- The sessions as their lists say, each list read once: what tells for nearly all of them that nothing can be wrong, and how
-- many objects were clicked and stay.
-- reads sampled_inputs
with sessions as (
    /* Where files say that items are their own objects ($are_objects), the ids of these are not read. */
    select * replace (case when $are_objects then item_ids else object_ids end as object_ids)
    from sampled_inputs
)
select session_id, is_irrelevant,
    coalesce(
        len(kept) = len(item_ids) and len(clicked) = len(item_ids) and list_count(kept) = len(kept), false
    ) as is_aligned,
    /* Every result stays. */
    coalesce(list_bool_and(kept) and list_count(kept) = len(kept) and len(kept) = len(object_ids), false) as is_whole,
    case
        when $are_objects and item_ids is not null then len(list_filter(clicked, lambda m: m))
        else count_objects(object_ids, item_ids, clicked)
    end as positives,
    case
        when $are_objects and item_ids is not null then len(list_filter(kept, lambda m: m))
        else count_objects(object_ids, item_ids, kept)
    end as objects
from sessions
