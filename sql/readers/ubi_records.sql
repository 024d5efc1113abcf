-- UBI lines -> docs (one JSON object each), ubi_queries and ubi_acts (their fields under one name).
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
        coalesce(
            len(keys) = 1 and keys[1] in ('index', 'create', 'update', 'delete')
            and json_type(json_extract(body, '$.' || keys[1])) = 'OBJECT',
            false
        ) as is_header,
        case when json_type(json_extract(body, '$._source')) = 'OBJECT' then json_extract(body, '$._source') else body end as doc
    from keyed
)

select
    *,
    case
        when flaw is not null or is_header then null
        when json_exists(doc, '$.action_name') or json_exists(doc, '$.event_attributes') then 'event'
        when
            json_exists(doc, '$.user_query') or json_exists(doc, '$.query_response_id') or json_exists(doc, '$.query')
            or ubi_hits(doc) is not null
        then 'query'
    end as kind
from unwrapped;

create or replace temp table ubi_queries as
with fields as (
    select
        file_number,
        record_number,
        ubi_query_id(doc) as session_id,
        ubi_visit(doc) as visit_id,
        ubi_user(doc) as user_id,
        ubi_client(doc) as client_id,
        ubi_time(doc) as stamp,
        record_time(stamp) as logged_at,
        ubi_words(doc) as words,
        coalesce(ubi_hits(doc), []) as shown,
        list_transform(shown, lambda hit: ubi_hit(hit)) as hits
    from docs
    where kind = 'query'
),

judged as (
    select
        * exclude (shown),
        first_broken([
            broken(session_id is null, 'missing_session_id', 'query_id must be a text or a number, got none'),
            broken_time(stamp, 'timestamp'),
            broken(
                list_contains(list_transform(hits, lambda id: id is null), true),
                'missing_item_id', 'every hit must be an id or have one' || came(shown)
            )
        ]) as rule
    from fields
)

select * exclude (rule, stamp), rule.reason as reason, rule.detail as detail
from judged;

create or replace temp table ubi_acts as
with fields as (
    select
        file_number,
        record_number,
        lower(trim(ubi_action(doc))) as action,
        -- without an id of its own the event is its content: the log's exports and re-exports repeat it word for word.
        coalesce(ubi_event_id(doc), md5(json(doc)::varchar)) as event_id,
        ubi_query_id(doc) as session_id,
        ubi_visit(doc) as visit_id,
        ubi_user(doc) as user_id,
        ubi_client(doc) as client_id,
        ubi_time(doc) as stamp,
        record_time(stamp) as logged_at,
        ubi_words(doc) as words,
        ubi_message(doc) as message,
        ubi_object(doc) as item_id,
        ubi_object_field(doc) as object_id_field,
        ubi_ordinal(doc) as ordinal
    from docs
    where kind = 'event'
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
                case when becomes = 'event' then broken_time(stamp, 'timestamp') end
            ])
        end as rule
    from named
)

select * exclude (rule, stamp), rule.reason as reason, rule.detail as detail
from judged;
