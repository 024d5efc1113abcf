-- What became of every record: accepted, duplicate, rejected or of no interest; one row each.
-- Tables that a format does not feed are empty.

create or replace temp table found_fates as
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
from other_entries;

-- The records whose words are kept, as they are kept: those that were refused, and events that wait. Which they are is a table
-- of its own: the engine knows how few its rows are, and looks for them in the lines, not for all lines in them.
create or replace temp table kept_records as
select file_number, record_number, entry, own_raw, detail
from found_fates
where fate = 'rejected' or kind = 'waiting events';
create or replace temp table kept_words as
select
    k.file_number,
    k.record_number,
    k.entry,
    -- in a lambda: to plan it takes long
    list_transform([coalesce(k.own_raw, l.raw), k.detail], lambda words: scrubbed(words)) as words,
    words[1] as raw,
    -- it quotes the beginning of a line that is no JSON
    words[2] as detail
from kept_records as k
inner join lines as l on k.file_number = l.file_number and k.record_number = l.record_number;

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
