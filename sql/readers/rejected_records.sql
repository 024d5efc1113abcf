-- Rows for rejected_records: the line as it stood, once for each of its records that was refused, and the events that
-- waited for a session that they do not belong to.
select
    f.source_file,
    d.record_number,
    d.entry,
    d.kind as reason,
    w.detail,
    d.session_id,
    w.raw,
    f.ingested_at as ingested_at
from fates as d
inner join kept_words as w on d.file_number = w.file_number and d.record_number = w.record_number and d.entry = w.entry
inner join files as f on d.file_number = f.file_number
where d.fate = 'rejected'
union all
select source_file, record_number, entry, place, place_detail, session_id, raw, ingested_at
from released_events
where place not in ('accepted', 'session', 'impression');
