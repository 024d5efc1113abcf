-- Every event of the newest ingestion is on an item that its session showed; so is every event of a session that it brought.
-- (A list that came piece by piece can end up without one.) The next ingestion without such events ends the warning.
-- To do: Such events count for nothing. A few are the log's imprecision; many mean that lists and events name items in
-- different ways: compare the ids.
-- warns; reads session_events, search_sessions, ingested_files
with newest as (select max(ingested_at) as began from ingested_files),
-- Lists are read of no other sessions: to join them all takes longer than all else.
lists as (
    select session_id, ingested_at, list_transform(results, lambda result: result.item_id) as shown
    from search_sessions
    where ingested_at >= (select began from newest)
       or session_id in (select session_id from session_events where ingested_at >= (select began from newest))
)
select e.event_id, e.session_id, e.item_id, e.source_file
from session_events as e
inner join lists as s on e.session_id = s.session_id
where greatest(e.ingested_at, s.ingested_at) >= (select began from newest)
  and not list_contains(s.shown, e.item_id)
