-- ubi_queries and ubi_acts -> event_entries, new_parts, session_rows, session_fates, other_entries and the lines' books.
--
-- A session is merged from its parts, whichever ingestion brought them: the outcome is the same in whatever order and
-- however split they come.

create or replace temp table new_records as
select
    q.file_number,
    q.record_number,
    q.session_id,
    true as is_query,
    q.logged_at as queried_at,
    null::timestamptz as acted_at,
    q.words as query_text,
    (case when q.words is null then null when len(q.hits) > 0 then 1 else 2 end)::tinyint as query_text_place,
    q.logged_at as query_text_at,
    case when len(q.hits) > 0 then q.hits end as hits,
    case when len(q.hits) > 0 then q.logged_at end as hits_at,
    q.visit_id,
    (case when q.visit_id is not null then 1 end)::tinyint as visit_id_place,
    q.logged_at as visit_id_at,
    coalesce(q.user_id, q.client_id) as user_id,
    (case when q.user_id is not null then 1 when q.client_id is not null then 3 end)::tinyint as user_id_place,
    q.logged_at as user_id_at,
    q.user_agent,
    q.logged_at as user_agent_at,
    []::struct(item_id varchar, ordinal double, shown_at timestamptz)[] as shown,
    true as is_worth_it
from ubi_queries as q
where q.reason is null
union all
select
    a.file_number,
    a.record_number,
    a.session_id,
    false,
    null,
    a.logged_at,
    case when not is_blank(a.words) then a.words when a.becomes = 'search' and not is_blank(a.message) then a.message end as text,
    (case when not is_blank(a.words) then 3 when text is not null then 4 end)::tinyint,
    a.logged_at,
    null,
    null,
    a.visit_id,
    (case when a.visit_id is not null then 2 end)::tinyint,
    a.logged_at,
    coalesce(a.user_id, a.client_id),
    (case when a.user_id is not null then 2 when a.client_id is not null then 4 end)::tinyint,
    a.logged_at,
    a.user_agent,
    a.logged_at,
    case when a.becomes = 'impression' then [{'item_id': a.item_id, 'ordinal': a.ordinal, 'shown_at': a.logged_at}] else [] end,
    a.becomes in ('event', 'impression')
from ubi_acts as a
-- what is of no interest says something only where it has the words.
where a.reason is null and a.session_id is not null and (a.becomes <> 'none' or not is_blank(a.words));

-- Sessions that another format logged whole: nothing is merged into them.
create or replace temp table foreign_sessions as
select session_id from known_sessions where not starts_with(source_file, 'ubi/');

create or replace temp macro merged_parts(parts) as table
    with given as (from query_table(parts)),

    each_shown as (
        select session_id, unnest(shown) as s
        from given
        where len(shown) > 0
    ),

    first_shown as (
        select
            session_id,
            s,
            row_number() over (
                partition by session_id, s.item_id order by s.ordinal nulls last, s.shown_at nulls last
            ) as appearance
        from each_shown
    ),

    lists as (
        select session_id, list(s order by s.ordinal nulls last, s.shown_at nulls last, s.item_id) as shown
        from first_shown
        where appearance = 1
        group by session_id
    ),

    merged as (
        select
            session_id,
            min(queried_at) as queried_at,
            min(acted_at) as acted_at,
            first({'value': query_text, 'place': query_text_place, 'at': query_text_at} order by
                query_text_place,
                case when query_text_place = 1 then query_text_at end nulls last,
                query_text_at desc nulls last,
                query_text
            ) filter (where query_text is not null) as words,
            first({'value': hits, 'at': hits_at} order by hits_at nulls last, hits) filter (where hits is not null) as hits,
            first({'value': visit_id, 'place': visit_id_place, 'at': visit_id_at} order by
                visit_id_place, visit_id_at nulls last, visit_id
            ) filter (where visit_id is not null) as visit,
            first({'value': user_id, 'place': user_id_place, 'at': user_id_at} order by
                user_id_place, user_id_at nulls last, user_id
            ) filter (where user_id is not null) as asker,
            first({'value': user_agent, 'at': user_agent_at} order by user_agent_at nulls last, user_agent)
                filter (where user_agent is not null) as agent,
            bool_or(is_worth_it) as is_worth_it
        from given
        group by session_id
    )

    select
        session_id,
        m.queried_at,
        m.acted_at,
        m.words.value as query_text,
        m.words.place as query_text_place,
        m.words.at as query_text_at,
        m.hits.value as hits,
        m.hits.at as hits_at,
        m.visit.value as visit_id,
        m.visit.place as visit_id_place,
        m.visit.at as visit_id_at,
        m.asker.value as user_id,
        m.asker.place as user_id_place,
        m.asker.at as user_id_at,
        m.agent.value as user_agent,
        m.agent.at as user_agent_at,
        coalesce(l.shown, []) as shown,
        m.is_worth_it
    from merged as m
    left join lists as l using (session_id);

create or replace temp table parts_before as
select p.* exclude (source_file, ingested_at)
from session_parts as p
semi join new_records as n on p.session_id = n.session_id
anti join foreign_sessions as f on p.session_id = f.session_id;

create or replace temp table group_parts as
select * exclude (file_number, record_number, is_query)
from new_records as n
anti join foreign_sessions as f on n.session_id = f.session_id;

create or replace temp table merged_before as from merged_parts('parts_before');
create or replace temp table merged_group as from merged_parts('group_parts');
create or replace temp table all_parts as
select * from parts_before
union all by name
select * from merged_group;
create or replace temp table merged_now as from merged_parts('all_parts');

-- Sessions that this group says something new of.
create or replace temp table news as
select n.session_id
from merged_now as n
left join merged_before as b on n.session_id = b.session_id
where b.session_id is null or n is distinct from b;

create or replace temp table first_records as
select
    session_id,
    first({'file_number': file_number, 'record_number': record_number} order by not is_query, file_number, record_number) as record
from new_records
group by session_id;

create or replace temp table new_parts as
select r.record.file_number as file_number, r.record.record_number as record_number, g.*
from merged_group as g
semi join news as n on g.session_id = n.session_id
inner join first_records as r on g.session_id = r.session_id;

create or replace temp table scattered_sessions as
with whole as (
    select
        session_id,
        visit_id,
        coalesce(queried_at, acted_at) as started_at,
        query_text,
        user_id,
        user_agent,
        -- what was shown wins over what was found; never both.
        list_transform(
            case
                when len(shown) > 0 then list_transform(shown, lambda place: place.item_id)
                else coalesce(hits, [])
            end,
            lambda id: {'item_id': id, 'rank': null::float}
        )::struct(item_id varchar, rank float)[] as results,
        false as marked_irrelevant
    from merged_now
    -- words that were only typed ahead, with nothing shown and nothing done, make no session.
    where is_worth_it and query_text is not null and coalesce(queried_at, acted_at) is not null
)

select
    r.record.file_number as file_number,
    r.record.record_number as record_number,
    w.*,
    s.session_date as previous_day,
    s.source_file as previous_source
from whole as w
inner join first_records as r on w.session_id = r.session_id
left join (select n.* from near_sessions as n semi join known_sessions as k on n.session_id = k.session_id) as s
    on w.session_id = s.session_id
where
    s.session_id is null
    or (w.visit_id, w.started_at, w.query_text, w.user_id, w.user_agent, w.results)
    is distinct from (s.visit_id, s.started_at, s.query_text, s.user_id, s.user_agent, s.results);

create or replace temp table session_rows as
select * exclude (results) from scattered_sessions;

create or replace temp view session_results as
select file_number, record_number, results from scattered_sessions;

create or replace temp table session_fates as
with queries as (
    select
        file_number,
        record_number,
        session_id,
        row_number() over (
            partition by session_id, logged_at, words, hits, visit_id, user_id, client_id order by file_number, record_number
        ) > 1 as is_repeated
    from ubi_queries
    where reason is null
),

impressions as (
    select
        a.file_number,
        a.record_number,
        a.session_id,
        b.item_id is not null
        or row_number() over (
            partition by a.session_id, a.item_id
            order by a.ordinal nulls last, a.logged_at nulls last, a.file_number, a.record_number
        ) > 1 as is_repeated
    from ubi_acts as a
    left join (
        select distinct session_id, unnest(shown).item_id as item_id from merged_before
    ) as b on a.session_id = b.session_id and a.item_id = b.item_id
    where a.becomes = 'impression' and a.reason is null
),

parts as (
    select file_number, record_number, session_id, is_repeated, 'queries' as kind from queries
    union all
    select file_number, record_number, session_id, is_repeated, 'impressions' from impressions
)

select
    p.file_number,
    p.record_number,
    case
        when f.session_id is not null then 'rejected'
        when n.session_id is null or p.is_repeated then 'duplicate'
        else 'accepted'
    end as fate,
    case when f.session_id is not null then 'conflicting_session' else p.kind end as kind,
    case
        when f.session_id is not null then
            'a session_id must stand for one session, got ' || p.session_id || ' that another format has logged whole'
    end as detail,
    p.session_id
from parts as p
left join news as n on p.session_id = n.session_id
left join foreign_sessions as f on p.session_id = f.session_id
union all
select file_number, record_number, 'rejected', reason, detail, session_id
from ubi_queries
where reason is not null
union all
select file_number, record_number, 'rejected', reason, detail, session_id
from ubi_acts
where becomes = 'impression' and reason is not null;
