-- Records by what became of them and by kind: of rejected ones the reason. Reads ingested_files.
select f.fate, f.kind, sum(f.records)::bigint as records
from (select unnest(fates) as f from ingested_files)
group by f.fate, f.kind
having sum(f.records) > 0
order by f.fate, records desc, f.kind
