-- A record is refused once.
-- blocks; reads rejected_records
select source_file, record_number, entry, count(*) as rows
from rejected_records
group by all
having count(*) > 1
