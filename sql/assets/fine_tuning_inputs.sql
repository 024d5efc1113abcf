-- A day's sessions in order of time, each with its list as shown and the events on it; `joining` makes of them the sessions
-- that are ready to use. Left out are those that an enforced rule flags.
-- What is joined here is one row a session: results are joined with their texts and events in Arrow, which needs neither a
-- group for every list nor a sort within it.
-- Reads search_sessions, flagged_sessions (one day), session_events. Parameters: $event_types.
with events_of as (
    select session_id, list({'item_id': item_id, 'is_positive': event_type in (select unnest($event_types::varchar[]))}) as events
    from session_events
    where session_id in (select session_id from search_sessions)
    group by session_id
)
select
    session_id,
    session_date,
    query_text,
    text_hash(query_text) as query_hash,
    started_at,
    coalesce(results, []) as results,
    marked_irrelevant,
    coalesce(events, []) as events
from search_sessions
left join events_of using (session_id)
where session_id not in (select session_id from flagged_sessions where is_enforced)
order by started_at, session_id
