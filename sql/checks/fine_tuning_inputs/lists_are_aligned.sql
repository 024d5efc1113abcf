-- item_ids, object_ids, ranks, clicked and event_weight of a session are of one length, and not empty.
-- To do: Make the day anew. If it comes back, look up the session in search_sessions: its lists cannot be read side by side,
-- and nothing can be trained on them.
-- blocks; reads fine_tuning_inputs; through session_lists
with looked_at as (
    select i.*
    from fine_tuning_inputs as i
    semi join (select session_id from session_lists where not is_aligned) as l
        on l.session_id is not distinct from i.session_id
    offset 0 /* Else DuckDB asks the rule of all sessions, and then looks up of which it should have. */
)
select session_id, len(item_ids) as item_ids, len(object_ids) as object_ids, len(ranks) as ranks, len(clicked) as clicked,
    len(event_weight) as event_weight
from looked_at
where len(item_ids) is distinct from len(object_ids)
   or len(item_ids) is distinct from len(ranks)
   or len(item_ids) is distinct from len(clicked)
   or len(item_ids) is distinct from len(event_weight)
   or coalesce(len(item_ids), 0) = 0
