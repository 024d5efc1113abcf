-- Of each reason at most `most` landed records were refused; those that were stand in the table with a reason, so nothing is
-- lost.
-- To do: Look at the rows with `ft-assets show rejected_records`: reason is the code, detail says what must hold and what
-- came. Mend the export, land the file again; what was good in it is recognized and not doubled.
-- parameters: most=0
-- warns; reads rejected_records
select reason, count(*) as records, count(distinct source_file) as source_files,
    min_by(source_file, ingested_at) as first_source_file, min_by(record_number, ingested_at) as record_number
from rejected_records
group by reason
having count(*) > $most
order by records desc
