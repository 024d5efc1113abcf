-- Where the day's sessions and positive events went on their way into fine_tuning_inputs, so that the rows reconcile.
-- What stands behind sessions_flagged is of the sessions that no enforced rule flags.
-- Reads search_sessions, flagged_sessions (one day), session_events. Parameters: $event_types.
with sessions as (
    select session_id, results
    from search_sessions
    where session_id not in (select session_id from flagged_sessions where is_enforced)
),
of_the_day as (
    select e.session_id, e.item_id, e.event_type in (select unnest($event_types::varchar[])) as is_positive,
        list_contains(list_transform(s.results, lambda r: r.item_id), e.item_id) as was_shown
    from session_events as e
    join sessions as s using (session_id)
)
select
    (select count(*) from search_sessions) as sessions_read,
    (select count(*) from search_sessions) - (select count(*) from sessions) as sessions_flagged,
    (select count(*) from sessions where len(results) = 0) as sessions_without_results,
    (select coalesce(sum(len(results)), 0) from sessions) as results_shown,
    (select count(*) from of_the_day) as events_read,
    (select count(*) from of_the_day where is_positive) as positive_events,
    (select count(*) from of_the_day where is_positive and not was_shown) as positive_events_outside_their_list
