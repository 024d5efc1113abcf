-- Rows for waiting_records: new ones, and those that now wait for something else.
select
    d.event_id,
    d.session_id,
    d.item_id,
    d.event_type,
    d.occurred_at,
    d.waits_for,
    f.source_file,
    d.record_number,
    d.entry,
    w.raw,
    f.ingested_at as ingested_at
from event_decisions as d
inner join files as f using (file_number)
inner join kept_words as w on d.file_number = w.file_number and d.record_number = w.record_number and d.entry = w.entry
where d.waits_for is not null
union all
select
    event_id, session_id, item_id, event_type, occurred_at, place, source_file, record_number, entry, raw, ingested_at
from released_events
where place in ('session', 'impression') and place <> waits_for;
