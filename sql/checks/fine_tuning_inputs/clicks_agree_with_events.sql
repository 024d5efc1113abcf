-- A result is clicked exactly where an event of a positive type stands on it.
-- To do: Make the day anew. If it comes back, look the session up in session_events: a click that is not there, or one that is
-- passed over, teaches the opposite of what people did.
-- blocks; reads fine_tuning_inputs, session_events as read; through session_lists
with positives as materialized (
    select session_id, item_id
    from session_events_as_read
    where event_type in (select unnest($event_types::varchar[]))
      and session_id in (select session_id from fine_tuning_inputs)
),
/* Mostly the clicked items of a session are those of its events: no result of it need be looked at. */
differing as (
    select session_id
    from (
        select session_id, unnest(clicks) as item_id, true as is_click from session_lists
        union all
        select session_id, item_id, false from positives
    )
    group by session_id, item_id
    having bool_and(is_click) or not bool_or(is_click)
    union
    select session_id from session_lists where clicks is null or has_repeats
    union
    select session_id from session_lists group by session_id having count(*) > 1
),
sessions as (
    select i.session_id, item_ids, clicked
    from fine_tuning_inputs as i
    semi join differing as d on d.session_id is not distinct from i.session_id
    offset 0 /* Else DuckDB asks the rule of all sessions, and then looks up of which it should have. */
),
drew as (
    select session_id, list(item_id) as items
    from positives
    where session_id in (select session_id from sessions)
    group by session_id
),
looked_at as (
    select session_id, item_ids, clicked, coalesce(items, []) as items
    from sessions
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
