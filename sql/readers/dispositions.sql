-- What became of every entry: accepted, duplicate, rejected or of no interest; one row each.
-- Tables that a format does not feed are empty.

create or replace temp table dispositions as
select file_number, record_number, entry, disposition, what, detail
from session_decisions
where entry is not null
union all
select file_number, record_number, entry, disposition, what, detail
from event_decisions
union all
select file_number, record_number, entry, disposition, what, detail
from item_decisions
union all
select file_number, record_number, entry, disposition, what, detail
from other_entries
union all
-- further documents and the impressions of a query share the fate of its session.
select
    f.file_number,
    f.record_number,
    f.entry,
    case
        when s.disposition is null then 'rejected'
        when s.disposition = 'accepted' and f.repeated then 'duplicate'
        else s.disposition
    end as fate,
    case when s.disposition is null then 'query_missing' when fate = 'rejected' then s.what else f.kind end,
    case
        when s.disposition is null then
            'an impression must belong to a query that is logged or can be told from its events, got ' || f.session_id
        when fate = 'rejected' then s.detail
    end
from followers as f
left join session_decisions as s on f.session_id = s.session_id;
