-- The sessions as their lists say, each list read once: what tells for nearly all of them that nothing can be wrong, and how
-- many objects were clicked and stay.
-- reads sampled_inputs
select session_id, is_irrelevant,
    coalesce(
        len(kept) = len(item_ids) and len(clicked) = len(item_ids) and list_count(kept) = len(kept), false
    ) as is_aligned,
    /* Every result stays. */
    coalesce(list_bool_and(kept) and list_count(kept) = len(kept) and len(kept) = len(object_ids), false) as is_whole,
    count_objects(object_ids, item_ids, clicked) as positives,
    count_objects(object_ids, item_ids, kept) as objects
from sampled_inputs
