-- A result is clicked exactly where an event of a positive type stands on it.
-- To do: Make the day anew. If it comes back, look the session up in session_events: a click that is not there, or one that is
-- passed over, teaches the opposite of what people did.
-- blocks; reads fine_tuning_inputs, session_events as read
with positives as (
    select session_id, item_id
    from session_events_as_read
    where event_type in (select unnest($event_types::varchar[]))
      and session_id in (select session_id from fine_tuning_inputs)
),
drew as (select session_id, list(item_id) as items from positives group by session_id),
/* List by list first, which makes no row of every result: only the lists that differ are taken apart. */
looked_at as (
    select session_id, item_ids, clicked, coalesce(items, []) as items
    from fine_tuning_inputs
    left join drew using (session_id)
    where clicked is distinct from list_transform(item_ids, lambda item: coalesce(list_contains(items, item), false))
),
results as (
    select session_id, unnest(item_ids) as item_id, unnest(clicked) as clicked,
        unnest(list_transform(item_ids, lambda item: list_contains(items, item))) as drew_positive_event
    from looked_at
)
select session_id, item_id, clicked, drew_positive_event, $event_types as positive_types
from results
/* What is null, or longer than its list, other checks show. */
where item_id is not null
  and clicked is not null
  and clicked <> drew_positive_event
