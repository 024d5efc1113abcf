-- event_entries -> event_decisions: which are new, which say the same again, which contradict, which hang in the air.

create or replace temp table named_events as
select
    e.* exclude (event_id),
    -- a log without ids of its own: the same act at the same instant on the same item is the same event.
    coalesce(e.event_id, md5(concat_ws(chr(31), e.session_id, e.item_id, e.event_type, e.occurred_at::varchar))) as event_id
from event_entries as e;

create or replace temp table event_decisions as
with standing as (
    select s.event_id, s.session_id, s.item_id, s.event_type, s.occurred_at, f.file_number as own_file
    from session_events as s
    semi join named_events as e on s.event_id = e.event_id
    left join files as f on s.source_file = f.source_file
),

sessions as (
    select session_id from known_sessions
    union
    select session_id from session_decisions where disposition <> 'rejected'
),

hanging as (
    select e.*, s.session_id is null and e.needs_session as is_hanging
    from named_events as e
    left join sessions as s on e.session_id = s.session_id
    where e.reason is null
),

placed as (
    select
        e.*,
        row_number() over same_id as place,
        first_value(e) over same_id as first_entry
    from hanging as e
    left join (
        select event_id, min(own_file) as own_file from standing where own_file is not null group by all
    ) as own on e.event_id = own.event_id
    where not e.is_hanging
    window same_id as (
        partition by e.event_id
        order by (e.file_number is not distinct from own.own_file) desc, e.file_number, e.record_number, e.entry
    )
),

compared as (
    select
        p.*,
        s.event_id is not null as in_lake,
        case
            when in_lake then
                (p.session_id, p.item_id, p.event_type, p.occurred_at) = (s.session_id, s.item_id, s.event_type, s.occurred_at)
            else
                (p.session_id, p.item_id, p.event_type, p.occurred_at)
                = (first_entry.session_id, first_entry.item_id, first_entry.event_type, first_entry.occurred_at)
        end as says_the_same
    from placed as p
    left join (from standing where own_file is null) as s on p.event_id = s.event_id
)

select
    * exclude (place, first_entry, in_lake, says_the_same, is_hanging, reason, detail),
    case
        when place = 1 and not in_lake then 'accepted' when says_the_same then 'duplicate' else 'rejected'
    end as disposition,
    case when disposition = 'rejected' then 'conflicting_event' else 'events' end as what,
    case
        when disposition = 'rejected' then
            'an event_id must stand for one event, got ' || event_id || ' again with other content'
    end as detail
from compared
union all
select
    * exclude (is_hanging, reason, detail),
    'rejected',
    'query_missing',
    'an event must belong to a query that is logged or can be told from its events, got ' || session_id
from hanging
where is_hanging
union all
select * exclude (reason, detail), 'rejected', reason, detail
from named_events
where reason is not null;
