-- What became of every record: accepted, duplicate, rejected or of no interest; one row each.
-- Tables that a format does not feed are empty.

create or replace temp table fates as
with found as (
    select file_number, record_number, 0 as entry, fate, kind, detail, session_id, null::varchar as own_raw
    from session_fates
    union all
    select file_number, record_number, entry, fate, kind, detail, session_id, own_raw
    from event_decisions
    union all
    select file_number, record_number, entry, 'rejected', reason, detail, session_id, own_raw
    from event_entries
    where reason is not null
    union all
    select file_number, record_number, entry, fate, kind, detail, null, null
    from item_decisions
    union all
    select file_number, record_number, entry, fate, kind, detail, null, null
    from other_entries
),

-- A file that came again with other content (it was appended to, mostly) repeats what was refused of it before.
refused_before as (
    select distinct n.file_number, n.record_number, n.entry
    from found as n
    inner join files as f on n.file_number = f.file_number and f.is_again
    inner join rejected_records as r
        on n.record_number = r.record_number and n.entry = r.entry and n.kind = r.reason
        and (r.source_file = f.landed_as or starts_with(r.source_file, f.landed_as || '#'))
    inner join lines as l on n.file_number = l.file_number and n.record_number = l.record_number
    where n.fate = 'rejected' and scrubbed(coalesce(n.own_raw, l.raw)) = r.raw
)

select
    n.file_number,
    n.record_number,
    n.entry,
    case when b.file_number is not null then 'duplicate' else n.fate end as fate,
    case when b.file_number is not null then 'rejects' else n.kind end as kind,
    n.detail,
    n.session_id,
    n.own_raw
from found as n
left join refused_before as b
    on n.fate = 'rejected' and n.file_number = b.file_number and n.record_number = b.record_number and n.entry = b.entry;
