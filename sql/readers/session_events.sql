-- Rows for session_events, of the files that the table does not hold yet.
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
where d.disposition = 'accepted' and not list_contains(f.held, 'session_events');
