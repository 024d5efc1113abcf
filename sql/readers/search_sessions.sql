-- Rows for search_sessions, of the files that the table does not hold yet.
select
    d.session_id,
    d.visit_id,
    d.started_at::date as session_date,
    d.started_at,
    d.query_text,
    d.user_id,
    null::varchar as user_agent,
    d.results,
    d.marked_irrelevant,
    f.source_file,
    f.ingested_at as ingested_at
from session_decisions as d
inner join files as f using (file_number)
where d.disposition = 'accepted' and not list_contains(f.held, 'search_sessions');
