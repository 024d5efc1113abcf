-- Rows for search_sessions: new ones, and those that take the place of one; where a row has list_at, its results stand there in
-- plain_lists.
select
    r.session_id,
    r.visit_id,
    r.started_at::date as session_date,
    r.started_at,
    r.query_text,
    r.user_id,
    r.user_agent,
    l.results,
    r.marked_irrelevant,
    coalesce(r.previous_source, f.source_file) as source_file,
    f.ingested_at as ingested_at,
    l.list_at
from session_rows as r
inner join files as f on r.file_number = f.file_number
inner join staged_results as l on r.file_number = l.file_number and r.record_number = l.record_number;
