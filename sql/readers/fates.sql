-- What became of every record: accepted, duplicate, rejected or of no interest; one row each.

create or replace temp table fates as
-- A file that came again with other content (it was appended to, mostly) repeats what was refused of it before.
with refused_before as (
    select distinct n.file_number, n.record_number, n.entry
    from found_fates as n
    inner join files as f on n.file_number = f.file_number and f.is_again
    inner join rejected_records as r
        on n.record_number = r.record_number and n.entry = r.entry and n.kind = r.reason
        and (r.source_file = f.landed_as or starts_with(r.source_file, f.landed_as || '#'))
    inner join kept_words as w
        on n.file_number = w.file_number and n.record_number = w.record_number and n.entry = w.entry
    where n.fate = 'rejected' and w.raw = r.raw
)

select
    n.file_number,
    n.record_number,
    n.entry,
    case when b.file_number is not null then 'duplicate' else n.fate end as fate,
    case when b.file_number is not null then 'rejects' else n.kind end as kind,
    n.session_id
from found_fates as n
left join refused_before as b
    on n.fate = 'rejected' and n.file_number = b.file_number and n.record_number = b.record_number and n.entry = b.entry;
