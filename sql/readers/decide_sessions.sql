-- session_entries -> session_rows and session_fates: which are new, which say the same again, which contradict.
--
-- Who asked is not compared: without the key that an earlier ingestion had, it is another hash, or none.

create or replace temp table placed_sessions as
select
    file_number,
    record_number,
    session_id,
    row_number() over (partition by session_id order by file_number, record_number) as place
from session_entries
where reason is null;

create or replace temp table session_fates as
with standing as (
    select n.session_id, n.query_text, n.started_at, n.visit_id, n.results, n.marked_irrelevant
    from near_sessions as n
    semi join placed_sessions as p on n.session_id = p.session_id
    union all
    select e.session_id, e.query_text, e.started_at, e.visit_id, r.results, e.marked_irrelevant
    from session_entries as e
    inner join session_results as r on e.file_number = r.file_number and e.record_number = r.record_number
    semi join (
        select file_number, record_number
        from placed_sessions
        where place = 1 and session_id in (select session_id from placed_sessions where place > 1)
    ) as firsts on e.file_number = firsts.file_number and e.record_number = firsts.record_number
    anti join known_sessions as k on e.session_id = k.session_id
),

again as (
    select
        e.file_number,
        e.record_number,
        e.session_id,
        (e.query_text, e.started_at, e.visit_id, r.results, e.marked_irrelevant)
        is not distinct from (s.query_text, s.started_at, s.visit_id, s.results, s.marked_irrelevant) as says_the_same
    from session_entries as e
    inner join placed_sessions as p on e.file_number = p.file_number and e.record_number = p.record_number
    inner join standing as s on e.session_id = s.session_id
    inner join session_results as r on e.file_number = r.file_number and e.record_number = r.record_number
    where p.place > 1 or e.session_id in (select session_id from known_sessions)
)

select
    file_number,
    record_number,
    case when says_the_same then 'duplicate' else 'rejected' end as fate,
    case when says_the_same then 'sessions' else 'conflicting_session' end as kind,
    case
        when not says_the_same then 'a session_id must stand for one session, got ' || session_id || ' again with other content'
    end as detail,
    session_id
from again
union all
select file_number, record_number, 'accepted', 'sessions', null, session_id
from placed_sessions
where place = 1 and session_id not in (select session_id from known_sessions)
union all
select file_number, record_number, 'rejected', reason, detail, session_id
from session_entries
where reason is not null;

-- Rows for search_sessions, without their lists: those are joined where they are needed, once.
create or replace temp table session_rows as
select
    e.file_number,
    e.record_number,
    e.session_id,
    e.visit_id,
    e.started_at,
    e.query_text,
    e.user_id,
    e.user_agent,
    e.marked_irrelevant,
    null::date as previous_day,
    null::varchar as previous_source
from session_entries as e
semi join (from session_fates where fate = 'accepted') as f
    on e.file_number = f.file_number and e.record_number = f.record_number;
