-- An item is there once.
-- To do: The log's tables stop every day until they are mended. Delete the older row of each item: a program other than an
-- ingestion wrote here.
-- blocks; reads items
select item_id, count(*) as rows
from items
group by item_id
having count(*) > 1
