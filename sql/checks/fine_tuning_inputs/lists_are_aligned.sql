-- item_ids, object_ids, ranks, clicked and event_weight of a session are of one length, and not empty.
-- To do: Make the day anew. If it comes back, look up the session in search_sessions: its lists cannot be read side by side,
-- and nothing can be trained on them.
-- blocks; reads fine_tuning_inputs
select session_id, len(item_ids) as item_ids, len(object_ids) as object_ids, len(ranks) as ranks, len(clicked) as clicked,
    len(event_weight) as event_weight
from fine_tuning_inputs
where len(item_ids) is distinct from len(object_ids)
   or len(item_ids) is distinct from len(ranks)
   or len(item_ids) is distinct from len(clicked)
   or len(item_ids) is distinct from len(event_weight)
   or coalesce(len(item_ids), 0) = 0
