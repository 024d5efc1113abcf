-- An item is there once.
-- blocks; reads items
select item_id, count(*) as rows
from items
group by item_id
having count(*) > 1
