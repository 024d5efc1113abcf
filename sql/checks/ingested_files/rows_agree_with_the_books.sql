-- The tables hold as many rows of a landed file as its books say: its sessions, and its events and refused records, whether
-- these wait for their session, were joined to it, or were rejected.
-- To do: The log's tables stop every day until they are mended. Rows of this file were removed or added outside an ingestion,
-- or `ft-assets forget` was killed (call it again). Else ingest the landing place into a fresh lake.
-- blocks; reads ingested_files, search_sessions, session_events, waiting_records, rejected_records
with said as (
    select
        source_file,
        sum(sessions - forgotten_sessions) as sessions,
        sum(events + waiting + rejected - forgotten_records) as records
    from ingested_files
    where copy_of is null
    group by source_file
),

held as (
    select source_file, sum(sessions) as sessions, sum(records) as records
    from (
        select source_file, count(*) as sessions, 0 as records from search_sessions group by all
        union all
        select source_file, 0, count(*) from session_events group by all
        union all
        select source_file, 0, count(*) from waiting_records group by all
        union all
        select source_file, 0, count(*) from rejected_records group by all
    )
    group by source_file
)

select
    source_file,
    s.sessions as sessions_by_the_books,
    coalesce(h.sessions, 0) as sessions_in_the_tables,
    s.records as records_by_the_books,
    coalesce(h.records, 0) as records_in_the_tables
from said as s
full join held as h using (source_file)
where
    s.sessions is distinct from coalesce(h.sessions, 0)
    or s.records is distinct from coalesce(h.records, 0)
