-- UBI lines -> ubi_queries and ubi_acts (their fields under one name), event_entries, other_entries and the lines' books.
--
-- A line is a bulk header, a document, index<TAB>document, or an index dump's object with the document in _source.
-- Queries and events are told apart by their fields: indices are named as anyone likes.

create or replace temp table docs as
with bodies as (
    select
        file_number,
        record_number,
        problem,
        detail,
        case when regexp_matches(raw, '^[^\t{\["]*\t') then substr(raw, strpos(raw, chr(9)) + 1) else raw end as body
    from lines
),

flaws as (
    select *, flaw_of(problem, body) as flaw
    from bodies
),

keyed as (
    select
        file_number,
        record_number,
        flaw,
        flaw_detail(flaw, body, detail) as detail,
        case when flaw is null then body::json end as body,
        case when flaw is null then json_keys(body) end as keys
    from flaws
),

unwrapped as (
    select
        * exclude (body, keys),
        -- asked with paths that are known: a key of the log's own may be none.
        coalesce(
            len(keys) = 1
            and json_type(coalesce(
                json_extract(body, '$.index'), json_extract(body, '$.create'),
                json_extract(body, '$.update'), json_extract(body, '$.delete')
            )) = 'OBJECT',
            false
        ) as is_header,
        case when json_type(json_extract(body, '$._source')) = 'OBJECT' then json_extract(body, '$._source') else body end as doc
    from keyed
)

select
    *,
    case when flaw is null and not is_header then ubi_kind(doc) end as kind
from unwrapped;

create or replace temp table ubi_queries as
with given as (
    select
        file_number,
        record_number,
        ubi_query_id(doc) as session_id,
        ubi_visit(doc) as visit_id,
        pseudonym(ubi_user(doc)) as user_id,
        pseudonym(ubi_client(doc)) as client_id,
        ubi_agent(doc) as user_agent,
        ubi_time(doc) as stamp,
        ubi_words(doc) as words,
        coalesce(ubi_hits(doc), []) as shown
    from docs
    where kind = 'query'
),

fields as (
    select
        *,
        log_time(scalar_text(stamp)) as logged_at,
        list_transform(shown, lambda hit: ubi_hit(hit)) as hits
    from given
),

judged as (
    select
        * exclude (shown),
        first_broken([
            broken(session_id is null, 'missing_session_id', 'query_id must be a text or a number, got none'),
            broken_time(stamp, logged_at, 'timestamp'),
            broken(
                list_contains(list_transform(hits, lambda id: id is null), true),
                'missing_item_id', 'every hit must be an id or have one' || came(shown)
            ),
            broken(
                len(list_distinct(hits)) < len(hits),
                'duplicate_result', 'a list must show an item once' || came(most_repeated(hits)) || ' twice'
            )
        ]) as rule
    from fields
)

select * exclude (rule, stamp, logged_at), within_reason(logged_at) as logged_at, rule.reason as reason, rule.detail as detail
from judged;

create or replace temp table ubi_acts as
with given as (
    select
        file_number,
        record_number,
        nullif(lower(trim(ubi_action(doc))), '') as action,
        -- without an id of its own the event is its content: the log's exports and re-exports repeat it word for word.
        coalesce(ubi_event_id(doc), md5(json(doc)::varchar)) as event_id,
        ubi_query_id(doc) as session_id,
        ubi_visit(doc) as visit_id,
        pseudonym(ubi_user(doc)) as user_id,
        pseudonym(ubi_client(doc)) as client_id,
        ubi_agent(doc) as user_agent,
        ubi_time(doc) as stamp,
        ubi_words(doc) as words,
        ubi_message(doc) as message,
        ubi_object(doc) as item_id,
        ubi_object_field(doc) as object_id_field,
        ubi_ordinal(doc) as ordinal
    from docs
    where kind = 'event'
),

fields as (
    -- an ordinal that is no finite number says nothing of the order.
    select * replace (case when isfinite(ordinal) then ordinal end as ordinal), log_time(scalar_text(stamp)) as logged_at
    from given
),

named as (
    select
        f.*,
        case
            when f.action is null then 'event'
            when a.becomes in ('search', 'none') then a.becomes
            when n.object_id_field is not null then 'none'
            when a.becomes is not null then a.becomes
            when f.item_id is not null then 'event'
            else 'none'
        end as becomes,
        coalesce(a.event_type, f.action) as event_type
    from fields as f
    left join ubi_actions as a on f.action = a.action
    left join ubi_not_items as n on f.object_id_field = n.object_id_field
),

judged as (
    select
        *,
        case
            when becomes in ('event', 'impression') then first_broken([
                broken(action is null, 'missing_event_type', 'action_name must be a text, got none'),
                broken(session_id is null, 'missing_session_id', 'query_id must be a text or a number, got none'),
                broken(item_id is null, 'missing_item_id', 'the object must have an object_id, got none'),
                -- an impression is a place in the list: it can do without a time.
                case when becomes = 'event' then broken_time(stamp, logged_at, 'timestamp') end
            ])
        end as rule
    from named
)

select * exclude (rule, stamp, logged_at), within_reason(logged_at) as logged_at, rule.reason as reason, rule.detail as detail
from judged;

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
    null::varchar as own_raw,
    reason,
    detail
from ubi_acts
where becomes = 'event';

create or replace temp table asked_sessions as
select session_id from ubi_queries where session_id is not null
union
select session_id from ubi_acts where session_id is not null;

create or replace temp table other_entries as
select
    file_number,
    record_number,
    0 as entry,
    'rejected' as fate,
    coalesce(flaw, 'unknown_record') as kind,
    case
        when flaw is not null then detail
        else 'a record must be an event (action_name) or a query (user_query, query or a list of hits)'
    end as detail
from docs
where kind is null and not is_header and coalesce(flaw, '') <> 'blank'
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
