-- Rows for session_events: new events, and those that waited for their session.
select
    d.event_id,
    d.session_id,
    d.item_id,
    d.event_type,
    d.occurred_at,
    f.source_file,
    f.ingested_at as ingested_at
from event_decisions as d
inner join files as f using (file_number)
where d.fate = 'accepted' and d.waits_for is null
union all
select event_id, session_id, item_id, event_type, occurred_at, source_file, ingested_at
from released_events
where place = 'accepted';
