-- The books of each file that was read: its lines, the records they hold, and what became of them.
with lines_of as (
    select
        file_number,
        count(*)::bigint as lines,
        count(*) filter (is_blank)::bigint as blank,
        count(*) filter (is_header)::bigint as headers,
        coalesce(sum(entries), 0)::bigint as records
    from line_books
    group by file_number
),

fates_of as (
    select file_number, list({'fate': fate, 'kind': kind, 'records': records} order by fate, kind) as fates
    from (select file_number, fate, kind, count(*)::bigint as records from fates group by all)
    group by file_number
),

sessions_of as (
    select file_number, count(*)::bigint as sessions
    from session_rows
    where previous_day is null
    group by file_number
)

select
    f.source_file,
    coalesce(l.lines, 0) as lines,
    coalesce(l.blank, 0) as blank,
    coalesce(l.headers, 0) as headers,
    coalesce(l.records, 0) as records,
    coalesce(s.sessions, 0) as sessions,
    coalesce(x.fates, []) as fates
from files as f
left join lines_of as l using (file_number)
left join fates_of as x using (file_number)
left join sessions_of as s using (file_number)
where f.copy_of is null
order by f.file_number;
