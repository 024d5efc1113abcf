-- The books of each file: its lines, the entries they hold, and what became of them.
with lines_of as (
    select
        file_number,
        count(*)::bigint as lines,
        count_if(is_blank)::bigint as blank,
        count_if(is_header)::bigint as headers,
        coalesce(sum(entries), 0)::bigint as read
    from line_books
    group by file_number
),

fates as (
    select file_number, list({'disposition': disposition, 'what': what, 'entries': entries} order by disposition, what) as fates
    from (select file_number, disposition, what, count(*)::bigint as entries from dispositions group by all)
    group by file_number
),

rebuilt_of as (
    select file_number, count(*)::bigint as rebuilt
    from session_decisions
    where entry is null and disposition = 'accepted'
    group by file_number
)

select
    f.source_file,
    coalesce(l.lines, 0) as lines,
    coalesce(l.blank, 0) as blank,
    coalesce(l.headers, 0) as headers,
    coalesce(l.read, 0) as read,
    coalesce(r.rebuilt, 0) as rebuilt,
    coalesce(x.fates, []) as fates
from files as f
left join lines_of as l using (file_number)
left join fates as x using (file_number)
left join rebuilt_of as r using (file_number)
order by f.file_number;
