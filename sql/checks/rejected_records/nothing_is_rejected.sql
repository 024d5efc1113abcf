-- Of each reason at most `most` records of the newest ingestion were refused; what was refused, then or earlier, stands in the
-- table with its reason, so nothing is lost. The next ingestion without such records ends the warning.
-- To do: Look at the rows with `ft-assets show rejected_records`: reason is the code, detail says what must hold and what
-- came. Mend the export, land the file again; what was good in it is recognized and not doubled.
-- parameters: most=0 in [0, inf]
-- warns; reads rejected_records, ingested_files
select reason, count(*) as records, count(distinct source_file) as source_files,
    min_by(source_file, (source_file, record_number)) as first_source_file,
    min_by(record_number, (source_file, record_number)) as record_number
from rejected_records
where ingested_at >= (select max(ingested_at) from ingested_files)
group by reason
having count(*) > $most
order by records desc
