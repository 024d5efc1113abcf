-- Lines whose records are not all accounted for, exactly once: a line that is neither blank nor a header holds one at
-- least. No rows: the books balance.
with accounts as (
    select file_number, record_number, count(*) as accounted
    from fates
    group by all
)

select f.source_file, record_number, coalesce(l.entries, 0) as entries, coalesce(d.accounted, 0) as accounted
from line_books as l
full join accounts as d using (file_number, record_number)
left join files as f using (file_number)
where
    l.entries is distinct from coalesce(d.accounted, 0)
    or (l.entries = 0) is distinct from (l.is_blank or l.is_header)
limit 10;
