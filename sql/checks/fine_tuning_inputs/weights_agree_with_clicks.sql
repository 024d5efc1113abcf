-- The weight of a result's evidence is 1 where it is clicked and 0 elsewhere.
-- To do: Make the day anew. If it comes back, a weight was changed on its way into storage: report it.
-- blocks; reads fine_tuning_inputs; through session_lists
with results as (
    select session_id, unnest(item_ids) as item_id, unnest(clicked) as clicked, unnest(event_weight) as event_weight
    from fine_tuning_inputs
    where session_id in (select session_id from session_lists where not has_weights)
)
select session_id, item_id, clicked, event_weight
from results
where clicked is not null
  and event_weight is not null
  and (not isfinite(event_weight) or event_weight <> clicked::int)
