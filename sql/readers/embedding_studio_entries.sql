-- Embedding Studio lines -> session_entries, event_entries, other_entries and how many entries each line has.
--
-- A session has search_query or search_results, an event list has events, a flat event has event_id, object_id or
-- event_type. An entry is a session, an event, or a line that is neither.

create or replace temp table docs as
with flaws as (
    select file_number, record_number, raw, detail, flaw_of(problem, raw) as flaw
    from lines
),

parsed as (
    select
        file_number,
        record_number,
        flaw,
        flaw_detail(flaw, raw, detail) as detail,
        -- ids stay JSON here: only then can a number keep its digits and an object be refused.
        case
            when flaw is null then from_json(raw, '{
                "session_id": "JSON", "search_query": "JSON", "created_at": "JSON", "user_id": "JSON",
                "visit_id": "JSON", "search_meta": {"visit_id": "JSON"}, "is_irrelevant": "JSON",
                "search_results": [{"object_id": "JSON", "rank": "JSON"}],
                "events": ["JSON"], "event_id": "JSON", "object_id": "JSON", "event_type": "JSON"}')
        end as doc
    from flaws
)

select
    *,
    doc.search_query is not null or doc.search_results is not null as is_session,
    doc.events is not null as is_list,
    not is_session and not is_list
    and coalesce(doc.event_id, doc.object_id, doc.event_type) is not null as is_event
from parsed;

create or replace temp table session_entries as
with sessions as (
    select
        file_number,
        record_number,
        doc.* exclude (search_results),
        scalar_text(doc.session_id) as id,
        scalar_text(doc.search_query) as query_text,
        list_transform(
            doc.search_results,
            lambda result: {'item_id': scalar_text(result.object_id), 'words': scalar_text(result.rank)}
        ) as shown
    from docs
    where is_session
),

ranked as (
    select
        *,
        list_transform(shown, lambda result: {'item_id': result.item_id, 'rank': log_rank(result.words)}) as results,
        list_position(list_transform(shown, lambda result: result.item_id is null), true) as no_item,
        list_position(
            list_transform(shown, lambda result: result.words is not null and try_cast(result.words as double) is null), true
        ) as bad_rank
    from sessions
),

judged as (
    select
        *,
        first_broken([
            broken(id is null, 'missing_session_id', 'session_id must be a text or a number' || came(session_id)),
            broken(is_blank(query_text), 'missing_query', 'search_query must be a text that is not blank' || came(search_query)),
            broken_time(created_at, 'created_at'),
            broken(shown is null, 'missing_results', 'search_results must be a list, got none'),
            broken(no_item is not null, 'missing_item_id', 'every result must have an object_id, result ' || no_item || ' has none'),
            broken(bad_rank is not null, 'bad_rank', 'a rank must be a number or null' || came(shown[bad_rank].words))
        ]) as rule
    from ranked
)

select
    file_number,
    record_number,
    0 as entry,
    id as session_id,
    coalesce(scalar_text(visit_id), scalar_text(search_meta.visit_id)) as visit_id,
    record_time(created_at) as started_at,
    query_text,
    scalar_text(user_id) as user_id,
    results,
    coalesce(try_cast(scalar_text(is_irrelevant) as boolean), false) as marked_irrelevant,
    false as partial,
    rule.reason as reason,
    rule.detail as detail
from judged;

create or replace temp table event_entries as
with listed as (
    select file_number, record_number, doc.session_id as line_session, unnest(doc.events) as event,
        generate_subscripts(doc.events, 1) as entry
    from docs
    where is_list
),

parsed as (
    select
        file_number,
        record_number,
        entry,
        line_session,
        coalesce(json_type(event), 'NULL') as kind,
        case
            when json_type(event) = 'OBJECT' then from_json(event, '{
                "event_id": "JSON", "session_id": "JSON", "object_id": "JSON", "event_type": "JSON", "created_at": "JSON"}')
        end as doc
    from listed
),

events as (
    select file_number, record_number, entry, kind, doc, coalesce(line_session, doc.session_id) as session_id
    from parsed
    union all
    select
        file_number,
        record_number,
        1,
        'OBJECT',
        {'event_id': doc.event_id, 'session_id': doc.session_id, 'object_id': doc.object_id,
         'event_type': doc.event_type, 'created_at': doc.created_at},
        doc.session_id
    from docs
    where is_event
),

judged as (
    select
        file_number,
        record_number,
        entry,
        scalar_text(doc.event_id) as event_id,
        scalar_text(e.session_id) as session_id,
        scalar_text(doc.object_id) as item_id,
        scalar_text(doc.event_type) as event_type,
        record_time(doc.created_at) as occurred_at,
        first_broken([
            broken(kind <> 'OBJECT', 'not_an_object', 'an event must be a JSON object, got ' || lower(kind)),
            broken(scalar_text(e.session_id) is null, 'missing_session_id', 'session_id must be a text or a number' || came(e.session_id)),
            broken(scalar_text(doc.object_id) is null, 'missing_item_id', 'object_id must be a text or a number' || came(doc.object_id)),
            broken(is_blank(scalar_text(doc.event_type)), 'missing_event_type', 'event_type must be a text' || came(doc.event_type)),
            broken_time(doc.created_at, 'created_at')
        ]) as rule
    from events as e
)

-- an event may come before its session: it is kept, and the session's arrival touches the day.
select * exclude (rule), false as needs_session, rule.reason as reason, rule.detail as detail
from judged;

create or replace temp table other_entries as
select
    file_number,
    record_number,
    0 as entry,
    case when flaw is null and is_list then 'no_interest' else 'rejected' end as disposition,
    case when flaw is not null then flaw when is_list then 'no events' else 'unknown_record' end as what,
    case
        when flaw is not null then detail
        when is_list then null
        else 'a record must have search_query and search_results, a list of events, or be one event'
    end as detail
from docs
where
    coalesce(flaw, '') <> 'blank'
    and not coalesce(is_session or is_event or (is_list and len(doc.events) > 0), false);

create or replace temp table line_books as
select
    file_number,
    record_number,
    coalesce(flaw, '') = 'blank' as is_blank,
    false as is_header,
    case
        when is_blank then 0
        when flaw is not null then 1
        else greatest(1, is_session::int + is_event::int + coalesce(len(doc.events), 0))
    end as entries
from docs;
