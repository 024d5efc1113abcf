-- ubi_queries and ubi_acts -> session_entries, event_entries, followers, other_entries and the lines' books.

-- Where each item stood: by its ordinal (some count from 0, some from 1), then by time; shown again, it is the same.
create or replace temp table ubi_impressions as
select
    *,
    row_number() over (
        partition by session_id, item_id
        order by ordinal nulls last, logged_at nulls last, file_number, record_number
    ) as appearance
from ubi_acts
where becomes = 'impression' and reason is null;

-- Several documents stand under one query_id (the engine's inner requests, type-ahead): the text and the list are
-- those of the first that has hits, else the latest text.
create or replace temp table ubi_documents as
select
    *,
    row_number() over (partition by session_id order by file_number, record_number) as place,
    len(hits) > 0 as has_hits
from ubi_queries
where reason is null;

create or replace temp table session_entries as
with documents as (
    select
        session_id,
        min(logged_at) as started_at,
        first((file_number, record_number) order by place) as record,
        first(visit_id order by place) filter (where visit_id is not null) as visit_id,
        first(user_id order by place) filter (where user_id is not null) as user_id,
        first(client_id order by place) filter (where client_id is not null) as client_id,
        coalesce(
            first(words order by logged_at, place) filter (where has_hits and words is not null),
            first(words order by logged_at desc, place desc) filter (where words is not null)
        ) as words,
        first(hits order by logged_at, place) filter (where has_hits) as hits
    from ubi_documents
    group by session_id
),

acts as (
    select
        session_id,
        min(logged_at) as started_at,
        min((file_number, record_number)) as record,
        first(visit_id order by logged_at, file_number, record_number) filter (where visit_id is not null) as visit_id,
        first(user_id order by logged_at, file_number, record_number) filter (where user_id is not null) as user_id,
        first(client_id order by logged_at, file_number, record_number) filter (where client_id is not null) as client_id,
        coalesce(
            first(words order by logged_at desc, file_number desc, record_number desc) filter (where not is_blank(words)),
            first(message order by logged_at desc, file_number desc, record_number desc) filter (
                where becomes = 'search' and not is_blank(message)
            )
        ) as words,
        -- words that were only typed ahead, with nothing shown and nothing done, make no session.
        bool_or(becomes in ('event', 'impression') and reason is null) as is_worth_it
    from ubi_acts
    where session_id is not null
    group by session_id
),

impressions as (
    select
        session_id,
        list(item_id order by ordinal nulls last, logged_at nulls last, file_number, record_number) as shown
    from ubi_impressions
    where appearance = 1
    group by session_id
),

-- asked without the rows of this group's own files, as in decide_sessions.
known as (
    select session_id
    from search_sessions
    semi join ubi_impressions using (session_id)
    anti join files on search_sessions.source_file = files.source_file
),

merged as (
    select
        session_id,
        coalesce(d.record, a.record) as record,
        d.record is null as is_rebuilt,
        coalesce(d.visit_id, a.visit_id) as visit_id,
        coalesce(d.started_at, a.started_at) as started_at,
        coalesce(d.words, a.words) as query_text,
        coalesce(d.user_id, a.user_id, d.client_id, a.client_id) as user_id,
        -- what was shown wins over what was found; never both.
        coalesce(i.shown, d.hits, []) as shown
    from documents as d
    full join acts as a using (session_id)
    left join impressions as i using (session_id)
    where
        d.record is not null
        or (a.is_worth_it and a.words is not null and a.started_at is not null)
        -- impressions of a query that the lake holds: they are the same again, or contradict its list.
        or (i.shown is not null and session_id in (from known))
)

select
    record[1]::int as file_number,
    record[2]::bigint as record_number,
    case when not is_rebuilt then 0 end as entry,
    session_id,
    visit_id,
    started_at,
    query_text,
    user_id,
    list_transform(shown, lambda id: {'item_id': id, 'rank': null::float})::struct(item_id varchar, rank float)[] as results,
    false as marked_irrelevant,
    true as partial,
    case when query_text is null and not is_rebuilt then 'missing_query' end as reason,
    case
        when query_text is null and not is_rebuilt then 'user_query must be a text that is not blank, in the query or its events, got none'
    end as detail
from merged;

create or replace temp table event_entries as
select
    file_number,
    record_number,
    0 as entry,
    event_id,
    session_id,
    item_id,
    event_type,
    logged_at as occurred_at,
    true as needs_session,
    reason,
    detail
from ubi_acts
where becomes = 'event';

create or replace temp table followers as
select file_number, record_number, 0 as entry, 'documents' as kind, session_id, true as repeated
from ubi_documents
where place > 1
union all
select file_number, record_number, 0, 'impressions', session_id, appearance > 1
from ubi_impressions;

create or replace temp table other_entries as
select
    file_number,
    record_number,
    0 as entry,
    'rejected' as disposition,
    coalesce(flaw, 'unknown_record') as what,
    case
        when flaw is not null then detail
        else 'a record must be an event (action_name) or a query (user_query, query or a list of hits)'
    end as detail
from docs
where kind is null and not is_header and coalesce(flaw, '') <> 'blank'
union all
select file_number, record_number, 0, 'rejected', reason, detail
from ubi_queries
where reason is not null
union all
select file_number, record_number, 0, 'rejected', reason, detail
from ubi_acts
where becomes = 'impression' and reason is not null
union all
select file_number, record_number, 0, 'no_interest', action, null
from ubi_acts
where becomes in ('search', 'none');

create or replace temp table line_books as
select
    file_number,
    record_number,
    coalesce(flaw, '') = 'blank' as is_blank,
    is_header,
    case when is_blank or is_header then 0 else 1 end as entries
from docs;
