-- Embedding Studio lines as they parse: one pass over the text. The ids of a list are texts here and its ranks are numbers,
-- which says all of most lists and too little of some: plain_lists tells which, and embedding_studio_entries reads those again.
with cast_lines as (
    select
        * replace (raw::varchar as raw),
        -- ids stay JSON here: only then can an object be refused.
        case
            when problem is null then try(try_cast(raw as struct(
                session_id json, search_query json, created_at json, user_id json,
                visit_id json, user_agent json, search_meta struct(visit_id json, user_agent json),
                is_irrelevant json, search_results struct(object_id varchar, rank float)[],
                events json[], event_id json, object_id varchar, event_type json)))
        end as doc
    from unparsed_lines
),

parsed as (
    select
        *,
        -- what could be parsed is JSON: only the rest is asked why.
        case
            when doc is not null and starts_with(raw, '{') then null
            when doc is null or not begins_as_object(raw) then flaw_of(problem, raw)
        end as flaw
    from cast_lines
)

select
    file_number,
    record_number,
    flaw,
    flaw_detail(flaw, raw, detail) as detail,
    -- of a long list each event that is kept for itself keeps its own words: else the list were kept once for each.
    doc.events is not null and strlen(raw) > 4096 as is_long,
    doc.*
from parsed;
