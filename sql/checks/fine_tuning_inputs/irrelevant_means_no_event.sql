-- A session is irrelevant where it is marked so, or drew no event on any result that it showed. So one that is irrelevant
-- and not marked has no clicked item; one that is not has one, or an event on a result that was removed for want of a text.
-- To do: Make the day anew. If it comes back, look the session up in search_sessions and session_events: its events and its
-- mark disagree with what was made of them.
-- blocks; reads fine_tuning_inputs, search_sessions as read, session_events as read; through session_lists
/* The only sessions whose lists and events are looked for. */
with looked_at as (
    select session_id
    from session_lists
    join search_sessions_as_read using (session_id)
    where (is_irrelevant and has_click and not marked_irrelevant)
       or (not is_irrelevant and (marked_irrelevant or not has_click))
),
judged as (
    select i.session_id, i.is_irrelevant, s.marked_irrelevant, coalesce(list_bool_or(i.clicked), false) as has_click,
        list_filter(list_transform(s.results, lambda r: r.item_id), lambda item: not list_contains(i.item_ids, item)) as removed
    from fine_tuning_inputs as i
    join search_sessions_as_read as s using (session_id)
    where session_id in (select session_id from looked_at)
),
unclicked as (
    select session_id, unnest(removed) as item_id from judged where not is_irrelevant and not has_click
),
elsewhere as (select distinct session_id from unclicked semi join session_events_as_read using (session_id, item_id))
select session_id, is_irrelevant, marked_irrelevant, has_click, removed
from judged
where (is_irrelevant and has_click and not marked_irrelevant)
   or (not is_irrelevant and marked_irrelevant)
   or (not is_irrelevant and not has_click and session_id not in (select session_id from elsewhere))
