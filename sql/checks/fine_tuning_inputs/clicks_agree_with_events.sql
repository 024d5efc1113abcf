-- A result is clicked exactly where an event of a positive type stands on it.
-- To do: Make the day anew. If it comes back, look the session up in session_events: a click that is not there, or one that is
-- passed over, teaches the opposite of what people did.
-- blocks; reads fine_tuning_inputs, session_events as read
with results as (
    select session_id, unnest(item_ids) as item_id, unnest(clicked) as clicked
    from fine_tuning_inputs
),
positives as (
    select distinct session_id, item_id
    from session_events_as_read
    where event_type in (select unnest($event_types::varchar[]))
      and session_id in (select session_id from fine_tuning_inputs)
)
select r.session_id, r.item_id, r.clicked, p.item_id is not null as drew_positive_event, $event_types as positive_types
from results as r
left join positives as p on p.session_id = r.session_id and p.item_id = r.item_id
/* What is null, or longer than its list, other checks show. */
where r.item_id is not null
  and r.clicked is not null
  and r.clicked <> (p.item_id is not null)
