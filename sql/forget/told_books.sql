-- The rows of ingested_files whose forgotten rows are not those that the tables lack, as they should be: what a file added,
-- less what the tables hold of it now. Where forgetting or chance gave two rows one source_file, the first takes it all.
-- Reads ingested_files, search_sessions, session_events, waiting_records, rejected_records.
with held as (
    select source_file, sum(sessions)::bigint as sessions, sum(records)::bigint as records
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
),

said as (
    select
        source_file,
        sum(sessions)::bigint as sessions,
        sum(events + waiting + rejected)::bigint as records,
        first({'landed_as': landed_as, 'content': content, 'modified_at': modified_at} order by ingested_at, landed_as, content)
            as bearer
    from ingested_files
    where copy_of is null
    group by source_file
),

lacking as (
    select
        s.source_file,
        s.bearer,
        s.sessions - coalesce(h.sessions, 0) as sessions,
        s.records - coalesce(h.records, 0) as records
    from said as s
    left join held as h using (source_file)
),

told as (
    select
        i.*,
        case when l.bearer = {'landed_as': i.landed_as, 'content': i.content, 'modified_at': i.modified_at} then 1 else 0 end as bears,
        l.sessions as lacking_sessions,
        l.records as lacking_records
    from ingested_files as i
    inner join lacking as l on i.source_file = l.source_file
    where i.copy_of is null
)

select
    * exclude (bears, lacking_sessions, lacking_records)
    replace (bears * lacking_sessions as forgotten_sessions, bears * lacking_records as forgotten_records)
from told
where forgotten_sessions <> bears * lacking_sessions or forgotten_records <> bears * lacking_records
