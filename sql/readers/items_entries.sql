-- Catalogue lines -> item_entries, other_entries and how many entries each line has.

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
        case
            when flaw is null then from_json(raw, '{"item_id": "JSON", "object_id": "JSON", "text": "JSON"}')
        end as doc
    from flaws
)

select *, coalesce(doc.item_id, doc.text) is not null as is_item
from parsed;

create or replace temp table item_entries as
with judged as (
    select
        file_number,
        record_number,
        0 as entry,
        scalar_text(doc.item_id) as item_id,
        -- without a map of parts each item is its own object.
        coalesce(scalar_text(doc.object_id), scalar_text(doc.item_id)) as object_id,
        scalar_text(doc.text) as text,
        first_broken([
            broken(scalar_text(doc.item_id) is null, 'missing_item_id', 'item_id must be a text or a number' || came(doc.item_id)),
            broken(is_blank(scalar_text(doc.text)), 'missing_text', 'text must be a text that is not blank' || came(doc.text))
        ]) as rule
    from docs
    where is_item
)

select * exclude (rule), rule.reason as reason, rule.detail as detail
from judged;

create or replace temp table other_entries as
select
    file_number,
    record_number,
    0 as entry,
    'rejected' as fate,
    coalesce(flaw, 'unknown_record') as kind,
    case when flaw is not null then detail else 'a record must have item_id and text' end as detail
from docs
where coalesce(flaw, '') <> 'blank' and not is_item;

create or replace temp table line_books as
select
    file_number,
    record_number,
    coalesce(flaw, '') = 'blank' as is_blank,
    false as is_header,
    case when is_blank then 0 else 1 end as entries
from docs;
