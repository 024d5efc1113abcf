-- Every event is on an item that its session showed. (A list that came piece by piece can end up without one.)
-- To do: Such events count for nothing. A few are the log's imprecision; many mean that lists and events name items in
-- different ways: compare the ids.
-- warns; reads session_events, search_sessions
select e.event_id, e.session_id, e.item_id, e.source_file
from session_events as e
inner join search_sessions as s on e.session_id = s.session_id
where not list_contains(list_transform(s.results, lambda result: result.item_id), e.item_id)
