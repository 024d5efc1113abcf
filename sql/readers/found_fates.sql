-- What became of every record, but that what was refused may have been refused before (fates); one row each.
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

-- The records whose words are kept: those that were refused, and events that wait. Which they are is a table
-- of its own: the engine knows how few its rows are, and looks for them in the lines, not for all lines in them.
create or replace temp table kept_records as
select file_number, record_number, entry, own_raw, detail
from found_fates
where fate = 'rejected' or kind = 'waiting events';
