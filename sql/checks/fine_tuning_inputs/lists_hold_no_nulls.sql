-- No id, click or weight is null, and no rank is NaN or infinite: an engine that gave no rank leaves it null.
-- To do: Make the day anew. If it comes back, look the session up in search_sessions and its items in items: one of them has
-- no id, or a rank that is no number.
-- blocks; reads fine_tuning_inputs; through session_lists
with looked_at as (
    select i.*
    from fine_tuning_inputs as i
    semi join (select session_id from session_lists where not has_no_null or not has_finite_ranks) as l
        on l.session_id is not distinct from i.session_id
    offset 0 /* Else DuckDB asks the rule of all sessions, and then looks up of which it should have. */
)
select session_id, item_ids, object_ids, clicked, ranks
from looked_at
where list_count(item_ids) <> len(item_ids)
   or list_count(object_ids) <> len(object_ids)
   or list_count(clicked) <> len(clicked)
   or list_count(event_weight) <> len(event_weight)
   or len(list_filter(ranks, lambda r: not isfinite(r))) > 0
