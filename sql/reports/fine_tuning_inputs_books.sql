-- Where the day's sessions and positive events went on their way into fine_tuning_inputs, so that the rows reconcile.
-- Reads search_sessions (one day), session_events. Parameters: $event_types.
with of_the_day as (
    select e.session_id, e.item_id, e.event_type in (select unnest($event_types::varchar[])) as is_positive,
        list_contains(list_transform(s.results, lambda r: r.item_id), e.item_id) as was_shown
    from session_events as e
    join search_sessions as s using (session_id)
)
select
    (select count(*) from search_sessions) as sessions_read,
    (select count(*) from search_sessions where len(results) = 0) as sessions_without_results,
    (select coalesce(sum(len(results)), 0) from search_sessions) as results_shown,
    (select count(*) from of_the_day) as events_read,
    (select count(*) from of_the_day where is_positive) as positive_events,
    (select count(*) from of_the_day where is_positive and not was_shown) as positive_events_outside_their_list
