-- event_entries -> event_decisions: which are new, which say the same again, which contradict; and of the new ones and
-- of those that waited for a session that has come (released_events), which belong to what it shows.

create or replace temp table named_events as
select
    * exclude (event_id),
    -- a log without ids of its own: the same act at the same instant on the same item is the same event.
    coalesce(event_id, md5(concat_ws(chr(31), session_id, item_id, event_type, occurred_at::varchar))) as event_id
from event_entries
where reason is null;

-- The sessions of this group's events as they stand after this group.
create or replace temp table sessions_at_hand as
with asked as (
    select session_id from named_events
    union all
    select session_id from waiting_records
)

select r.session_id, r.started_at, list_transform(r.results, lambda result: result.item_id) as items, is_scattered
from (
    select w.session_id, w.started_at, l.results, is_scattered
    from session_rows as w
    inner join session_results as l on w.file_number = l.file_number and w.record_number = l.record_number
    cross join (select format = 'ubi' as is_scattered from files limit 1)
    union all
    select n.session_id, n.started_at, n.results, starts_with(n.source_file, 'ubi/')
    from near_sessions as n
    semi join known_sessions as k on n.session_id = k.session_id
    anti join session_rows as s on n.session_id = s.session_id
) as r
semi join asked on r.session_id = asked.session_id;

-- What an event is worth beside its session. One that logs scatter over many records may yet be shown the item.
create or replace temp macro place_of_event(started_at, items, is_scattered, item_id, occurred_at) as
    case
        when started_at is null then 'session'
        when not list_contains(items, item_id) then case when is_scattered then 'impression' else 'item_not_shown' end
        when occurred_at < started_at - to_seconds(getvariable('clock_skew_seconds')) then 'event_before_session'
        when occurred_at > started_at + to_seconds(getvariable('attribution_seconds')) then 'event_too_late'
        else 'accepted'
    end;
create or replace temp macro place_detail(place, session_id, started_at, item_id, occurred_at) as
    case place
        when 'item_not_shown' then
            'an event must be on an item of its session''s list, got ' || item_id || ', which session ' || session_id || ' did not show'
        when 'event_before_session' then
            'an event must not come more than ' || getvariable('clock_skew_seconds') || ' s before its session of '
            || started_at::varchar || ', got ' || occurred_at::varchar
        when 'event_too_late' then
            'an event must come within ' || getvariable('attribution_seconds') || ' s after its session of '
            || started_at::varchar || ', got ' || occurred_at::varchar
    end;

create or replace temp table repeated_events as
select event_id from named_events group by event_id having count(*) > 1;

create or replace temp table event_decisions as
with standing as (
    select s.event_id, s.session_id, s.item_id, s.event_type, s.occurred_at
    from session_events as s
    semi join named_events as e on s.event_id = e.event_id
    union all
    select w.event_id, w.session_id, w.item_id, w.event_type, w.occurred_at
    from waiting_records as w
    semi join named_events as e on w.event_id = e.event_id
),

judged as (
    select
        e.*,
        s.started_at,
        place_of_event(s.started_at, s.items, s.is_scattered, e.item_id, e.occurred_at) as place,
        place in ('accepted', 'session', 'impression') as belongs
    from named_events as e
    left join sessions_at_hand as s on e.session_id = s.session_id
),

-- The first that belongs stands for its id; one that is refused takes no id. (Only ids that come more than once are put in order.)
placed as (
    select *, 1 as turn
    from judged
    where event_id not in (select event_id from repeated_events)
    union all
    select
        *,
        row_number() over (partition by event_id order by not belongs, file_number, record_number, entry) as turn
    from judged
    where event_id in (select event_id from repeated_events)
),

compared as (
    select
        p.*,
        s.event_id is not null as stands,
        (p.session_id, p.item_id, p.event_type, p.occurred_at)
        is not distinct from (s.session_id, s.item_id, s.event_type, s.occurred_at) as says_the_same
    from placed as p
    left join (
        from standing
        union all
        select f.event_id, f.session_id, f.item_id, f.event_type, f.occurred_at
        from placed as f
        where
            f.turn = 1
            and f.belongs
            and f.event_id in (select event_id from placed where turn > 1)
            and f.event_id not in (select event_id from standing)
    ) as s on p.event_id = s.event_id and (p.turn > 1 or p.event_id in (select event_id from standing))
),

decided as (
    select
        * exclude (belongs, turn, stands, says_the_same, reason, detail, place),
        case
            when stands and says_the_same then 'duplicate'
            when stands and belongs then 'conflicting_event'
            else place
        end as place
    from compared
)

select
    * exclude (place, started_at),
    case
        when place in ('accepted', 'session', 'impression') then 'accepted'
        when place = 'duplicate' then 'duplicate'
        else 'rejected'
    end as fate,
    case
        when place in ('accepted', 'duplicate') then 'events'
        when place in ('session', 'impression') then 'waiting events'
        else place
    end as kind,
    case when place in ('session', 'impression') then place end as waits_for,
    case
        when place = 'conflicting_event' then
            'an event_id must stand for one event, got ' || event_id || ' again with other content'
        else place_detail(place, session_id, started_at, item_id, occurred_at)
    end as detail
from decided;

create or replace temp table released_events as
select
    w.*,
    place_of_event(s.started_at, s.items, s.is_scattered, w.item_id, w.occurred_at) as place,
    place_detail(place, w.session_id, s.started_at, w.item_id, w.occurred_at) as place_detail
from waiting_records as w
inner join sessions_at_hand as s on w.session_id = s.session_id
semi join session_rows as r on w.session_id = r.session_id;
