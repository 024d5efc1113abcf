-- Where the day's sessions, results and positive events went on their way into fine_tuning_inputs, so that they reconcile.
-- What stands behind sessions_flagged is of the sessions that no enforced rule flags.
-- Reads search_sessions, flagged_sessions (one day), session_events, items. Parameters: $event_types.
with sessions as (
    select session_id, results
    from search_sessions
    where session_id not in (select session_id from flagged_sessions where is_enforced)
),
shown as (
    select s.session_id, s.item_id, any_value(i.text_hash) is not null as has_text
    from (select distinct session_id, unnest(results).item_id as item_id from sessions) as s
    left join items as i using (item_id)
    group by s.session_id, s.item_id
),
of_the_day as (
    select e.event_type in (select unnest($event_types::varchar[])) as is_positive, s.has_text
    from session_events as e
    left join shown as s on s.session_id = e.session_id and s.item_id = e.item_id
    where e.session_id in (select session_id from sessions)
)
select
    (select count(*) from search_sessions) as sessions_read,
    (select count(*) from search_sessions) - (select count(*) from sessions) as sessions_flagged,
    (select count(*) from sessions where len(results) = 0) as sessions_without_results,
    (select count(*) from (select session_id from shown group by session_id having not bool_or(has_text)))
        as sessions_without_texts,
    (select coalesce(sum(len(results)), 0) from sessions) as results_shown,
    (select coalesce(sum(len(results)), 0) from sessions) - (select count(*) from shown) as results_repeated,
    (select count(*) from shown where not has_text) as results_without_text,
    (select count(*) from of_the_day) as events_read,
    (select count(*) from of_the_day where is_positive) as positive_events,
    (select count(*) from of_the_day where is_positive and has_text is null) as positive_events_outside_their_list,
    (select count(*) from of_the_day where is_positive and not has_text) as positive_events_without_text
