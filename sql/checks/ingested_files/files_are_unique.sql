-- A file is ingested once as it is: no two rows of one name, content and time of change; and one content is read once in a
-- format.
-- To do: The log's tables stop every day until they are mended. Two ingestions took the same file in: delete the later row of
-- ingested_files and what it brought, or ingest the landing place into a fresh lake.
-- blocks; reads ingested_files
select landed_as, content, modified_at, count(*) as rows
from ingested_files
group by all
having count(*) > 1
union all
select any_value(landed_as), content, null, count(*)
from ingested_files
where copy_of is null
group by format, content
having count(*) > 1
