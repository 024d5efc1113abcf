-- The sessions as their lists say, each list read once: what tells of nearly all of them that nothing can be wrong.
-- reads fine_tuning_inputs
with lists as (
    /* Where files say that items are their own objects ($are_objects), the ids of these are not read. */
    select * replace (case when $are_objects then item_ids else object_ids end as object_ids)
    from fine_tuning_inputs
),
sessions as (
    select *,
        coalesce(
            len(item_ids) > 0 and len(object_ids) = len(item_ids) and len(ranks) = len(item_ids)
            and len(clicked) = len(item_ids) and len(event_weight) = len(item_ids),
            false
        ) as is_aligned,
        coalesce(
            list_count(item_ids) = len(item_ids) and list_count(object_ids) = len(object_ids)
            and list_count(clicked) = len(clicked) and list_count(event_weight) = len(event_weight),
            false
        ) as has_no_null
    from lists
)
select session_id, is_irrelevant, is_aligned, has_no_null,
    coalesce(isfinite(list_sum(ranks)), true) as has_finite_ranks, /* What is no number makes a sum that is none. */
    coalesce(has_repeats(item_ids), true) as has_repeats,
    item_ids is not distinct from object_ids as are_objects,
    event_weight is not distinct from clicked::float[] as has_weights,
    coalesce(list_bool_or(clicked), false) as has_click,
    case when is_aligned and has_no_null then list_where(item_ids, clicked) end as clicks,
    query_hash is not distinct from text_hash(query_text) as has_hash,
    hash(item_ids, ranks, query_text, started_at, session_date) as shown
from sessions
