-- No landed record was refused; those that were stand in the table with a reason, so nothing is lost.
-- warns; reads rejected_records
select reason, count(*) as records, any_value(source_file) as source_file, any_value(detail) as detail
from rejected_records
group by reason
