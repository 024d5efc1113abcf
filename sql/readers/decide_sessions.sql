-- session_entries -> session_decisions: which are new, which say the same again, which contradict.
--
-- The lake is asked without the rows of this group's own files: a rerun after a kill decides as the first run did.
-- Where the lake already holds a session from one of these files, that file's record is the one that stands.

create or replace temp table known_sessions as
select s.session_id, s.session_date, s.source_file, f.file_number as own_file
from search_sessions as s
semi join (
    select session_id from session_entries
    union
    select session_id from event_entries
) as asked on s.session_id = asked.session_id
left join files as f on s.source_file = f.source_file;

create or replace temp table session_decisions as
with standing as (
    -- content only of those that both sides hold: mostly none, and then nothing is read.
    select s.session_id, s.query_text, s.started_at, s.user_id, s.visit_id, s.results, s.marked_irrelevant
    from search_sessions as s
    semi join (
        select k.session_id, k.session_date
        from known_sessions as k
        semi join session_entries as e on k.session_id = e.session_id
        where k.own_file is null
    ) as both_sides on s.session_id = both_sides.session_id and s.session_date = both_sides.session_date
    anti join files as f on s.source_file = f.source_file
),

placed as (
    select
        e.*,
        row_number() over same_id as place,
        first_value(e) over same_id as first_entry
    from session_entries as e
    left join (
        select session_id, min(own_file) as own_file from known_sessions where own_file is not null group by all
    ) as own on e.session_id = own.session_id
    where e.reason is null
    window same_id as (
        partition by e.session_id
        order by (e.file_number is not distinct from own.own_file) desc, e.file_number, e.record_number
    )
),

compared as (
    select
        p.*,
        s.session_id is not null as in_lake,
        case
            -- a document of several says part of a session, its events less: what they leave out is no contradiction.
            when p.partial and in_lake then
                (p.entry is null or p.query_text = s.query_text)
                and list_has_all(
                    list_transform(s.results, lambda result: result.item_id),
                    list_transform(p.results, lambda result: result.item_id)
                )
            when in_lake then
                (p.query_text, p.started_at, p.user_id, p.visit_id, p.results, p.marked_irrelevant)
                is not distinct from (s.query_text, s.started_at, s.user_id, s.visit_id, s.results, s.marked_irrelevant)
            else
                (p.query_text, p.started_at, p.user_id, p.visit_id, p.results, p.marked_irrelevant)
                is not distinct from (
                    first_entry.query_text, first_entry.started_at, first_entry.user_id, first_entry.visit_id,
                    first_entry.results, first_entry.marked_irrelevant
                )
        end as says_the_same
    from placed as p
    left join standing as s on p.session_id = s.session_id
)

select
    * exclude (place, first_entry, in_lake, says_the_same, reason, detail),
    case
        when place = 1 and not in_lake then 'accepted' when says_the_same then 'duplicate' else 'rejected'
    end as disposition,
    case when disposition = 'rejected' then 'conflicting_session' else 'sessions' end as what,
    case
        when disposition = 'rejected' then
            'a session_id must stand for one session, got ' || session_id || ' again with other content'
    end as detail
from compared
union all
select * exclude (reason, detail), 'rejected', reason, detail
from session_entries
where reason is not null;
