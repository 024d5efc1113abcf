-- A session ready to use: every item of its list once, in the order shown, with its object, the engine's score and
-- whether it drew a positive event. Results whose item has no text are removed, their events with them, and every list
-- stays aligned. Left out, and counted apart, are sessions that an enforced rule flags and those with no result to show or
-- none with a text, which make no features.
-- Reads search_sessions, flagged_sessions (one day), session_events, items. Parameters: $event_types.
with shown as (
    select session_id, unnest(results) as result, generate_subscripts(results, 1) as position
    from search_sessions
    where session_id not in (select session_id from flagged_sessions where is_enforced)
),
-- A list that names an item twice showed it twice; its first place is where it was seen.
first_shown as (
    select session_id, result.item_id as item_id, min(position) as position, arg_min(result, position).rank as rank
    from shown
    group by session_id, result.item_id
),
positives as (
    select distinct session_id, item_id
    from session_events
    where event_type in (select unnest($event_types::varchar[]))
      and session_id in (select session_id from search_sessions)
),
lists as (
    select
        s.session_id,
        list(s.item_id order by s.position) filter (where i.text_hash is not null) as item_ids,
        list(i.object_id order by s.position) filter (where i.text_hash is not null) as object_ids,
        list(s.rank order by s.position) filter (where i.text_hash is not null) as ranks,
        list(p.item_id is not null order by s.position) filter (where i.text_hash is not null) as clicked,
        -- Of the whole list: an event on a result that is removed was one. The session is no example of what nobody wants.
        bool_or(p.item_id is not null) as drew_event
    from first_shown as s
    left join items as i using (item_id)
    left join positives as p on p.session_id = s.session_id and p.item_id = s.item_id
    group by s.session_id
)
select
    session_id,
    session_date,
    query_text,
    text_hash(query_text) as query_hash,
    started_at,
    item_ids,
    object_ids,
    ranks,
    clicked,
    list_transform(clicked, lambda c: c::int::float) as event_weight,
    marked_irrelevant or not drew_event as is_irrelevant
from search_sessions
join lists using (session_id)
where len(item_ids) > 0
order by started_at, session_id
