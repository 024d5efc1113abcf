-- What one file told of a session stands once.
-- To do: The log's tables stop every day until they are mended. Delete the second row: an ingestion was applied twice, which
-- it guards against, or rows were written by hand.
-- blocks; reads session_parts
select session_id, source_file, ingested_at, count(*) as rows
from session_parts
group by all
having count(*) > 1
