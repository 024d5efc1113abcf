-- parsed_lines, plain_lists -> session_entries, event_entries, other_entries and how many entries each line has.
--
-- A session has search_query or search_results, an event list has events, a flat event has event_id, object_id or
-- event_type. An entry is a session, an event, or a line that is neither.

-- The lists that plain_lists left, looked at closely: what the first item and rank that are none of their kind are, whether an
-- item stands there twice, and what came in the place of a list, a result or a rank.
create or replace temp table odd_lists as
with listed as (
    select
        l.file_number,
        l.record_number,
        raw,
        list_transform(
            from_json(raw, '{"search_results": [{"object_id": "VARCHAR", "rank": "JSON"}]}').search_results,
            lambda result: {'item_id': id_text(result.object_id), 'rank': log_rank(result.rank)}
        ) as results,
        list_transform(results, lambda result: result.item_id) as item_ids
    from lines as l
    semi join (from parsed_lines where (has_list or search_query is not null) and not is_plain) as p
        on l.file_number = p.file_number and l.record_number = p.record_number
)

select
    file_number,
    record_number,
    results,
    list_position(list_transform(item_ids, lambda item_id: item_id is null), true) as no_item,
    list_position(list_transform(results, lambda result: isnan(result.rank)), true) as bad_rank,
    case when no_item is null and has_repeats(item_ids) then most_repeated(item_ids) end as repeated,
    case
        when results is null then json_extract(raw, '$.search_results')
        when no_item is not null then json_extract(raw, '$.search_results[' || (no_item - 1) || ']')
        when bad_rank is not null then json_extract(raw, '$.search_results[' || (bad_rank - 1) || '].rank')
    end as given
from listed;

create or replace temp view docs as
select
    p.*,
    l.* exclude (file_number, record_number, results),
    search_query is not null or has_list as is_session,
    events is not null as is_list,
    not is_session and not is_list and (event_id is not null or object_id is not null or event_type is not null) as is_event
from parsed_lines as p
left join odd_lists as l on p.file_number = l.file_number and p.record_number = l.record_number;

-- The lists of sessions, which stay where they are: no table of DuckDB holds the plain ones.
create or replace temp view session_results as
select file_number, record_number, results
from plain_lists
union all
select file_number, record_number, results
from odd_lists;
create or replace temp view staged_results as
select file_number, record_number, list_at, null::struct(item_id varchar, rank float)[] as results
from plain_lists
union all
select file_number, record_number, null, results
from odd_lists;

create or replace temp table session_entries as
with sessions as (
    select
        * exclude (session_id, user_agent, visit_id),
        session_id as given_id,
        scalar_text(session_id) as session_id,
        coalesce(scalar_text(visit_id), scalar_text(search_meta.visit_id)) as visit_id,
        coalesce(scalar_text(user_agent), scalar_text(search_meta.user_agent)) as user_agent,
        scalar_text(search_query) as query_text,
        log_time(scalar_text(created_at)) as moment
    from docs
    where is_session
),

judged as (
    select
        *,
        case
            when
                session_id is not null and not is_blank(query_text) and within_reason(moment) is not null and has_list
                and no_item is null and bad_rank is null and repeated is null
                then null
            else first_broken([
                broken(session_id is null, 'missing_session_id', 'session_id must be a text or a number' || came(given_id)),
                broken(is_blank(query_text), 'missing_query', 'search_query must be a text that is not blank' || came(search_query)),
                broken_time(created_at, moment, 'created_at'),
                broken(not has_list, 'missing_results', 'search_results must be a list' || came(given)),
                broken(
                    no_item is not null,
                    'missing_item_id',
                    'every result must have an object_id, a text or a number; result ' || no_item || ' has none' || came(given)
                ),
                broken(
                    bad_rank is not null,
                    'bad_rank',
                    'a rank must be a finite number or null, that of result ' || bad_rank || ' is neither' || came(given)
                ),
                broken(repeated is not null, 'duplicate_result', 'a list must show an item once, got ' || repeated || ' twice')
            ])
        end as rule
    from sessions
)

select
    file_number,
    record_number,
    session_id,
    visit_id,
    moment as started_at,
    query_text,
    pseudonym(scalar_text(user_id)) as user_id,
    user_agent,
    coalesce(try_cast(scalar_text(is_irrelevant) as boolean), false) as marked_irrelevant,
    rule.reason as reason,
    rule.detail as detail
from judged;

create or replace temp table event_entries as
with listed as (
    select
        file_number,
        record_number,
        session_id as line_session,
        is_long,
        unnest(events) as event,
        generate_subscripts(events, 1) as entry
    from docs
    where is_list
),

parsed as (
    select
        file_number,
        record_number,
        entry,
        line_session,
        case when is_long then event::varchar end as own_raw,
        coalesce(json_type(event), 'NULL') as kind,
        case
            when json_type(event) = 'OBJECT' then from_json(event, '{
                "event_id": "JSON", "session_id": "JSON", "object_id": "VARCHAR", "event_type": "JSON", "created_at": "JSON"}')
        end as doc
    from listed
),

events as (
    select file_number, record_number, entry, kind, own_raw, doc.* exclude (session_id), coalesce(line_session, doc.session_id) as session_id
    from parsed
    union all by name
    select file_number, record_number, 0 as entry, 'OBJECT' as kind, event_id, session_id, object_id, event_type, created_at
    from docs
    where is_event
),

fields as (
    select
        file_number,
        record_number,
        entry,
        kind,
        own_raw,
        scalar_text(event_id) as event_id,
        session_id as given_session,
        scalar_text(session_id) as session_id,
        object_id,
        id_text(object_id) as item_id,
        event_type as given_type,
        scalar_text(event_type) as event_type,
        created_at,
        log_time(scalar_text(created_at)) as moment
    from events
),

judged as (
    select
        file_number,
        record_number,
        entry,
        own_raw,
        event_id,
        session_id,
        item_id,
        event_type,
        moment as occurred_at,
        case
            when
                kind = 'OBJECT' and session_id is not null and item_id is not null and within_reason(moment) is not null
                and not is_blank(event_type)
                then null
            else first_broken([
                broken(kind <> 'OBJECT', 'not_an_object', 'an event must be a JSON object, got ' || lower(kind)),
                broken(session_id is null, 'missing_session_id', 'session_id must be a text or a number' || came(given_session)),
                broken(item_id is null, 'missing_item_id', 'object_id must be a text or a number' || came(object_id)),
                broken(is_blank(event_type), 'missing_event_type', 'event_type must be a text' || came(given_type)),
                broken_time(created_at, moment, 'created_at')
            ])
        end as rule
    from fields
)

select * exclude (rule), rule.reason as reason, rule.detail as detail
from judged;

create or replace temp table other_entries as
select
    file_number,
    record_number,
    0 as entry,
    case when flaw is null and is_list then 'no_interest' else 'rejected' end as fate,
    case when flaw is not null then flaw when is_list then 'no events' else 'unknown_record' end as kind,
    case
        when flaw is not null then detail
        when is_list then null
        else 'a record must have search_query and search_results, a list of events, or be one event'
    end as detail
from docs
where
    coalesce(flaw, '') <> 'blank'
    and not coalesce(is_session or is_event or (is_list and len(events) > 0), false);

create or replace temp table line_books as
select
    file_number,
    record_number,
    coalesce(flaw, '') = 'blank' as is_blank,
    false as is_header,
    case
        when is_blank then 0
        when flaw is not null then 1
        else greatest(1, is_session::int + is_event::int + coalesce(len(events), 0))
    end as entries
from docs;
