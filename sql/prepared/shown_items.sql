-- The items that the log shows, how often, and whether each has a text.
-- reads search_sessions, items
select item_id, count(*) as results, item_id in (select item_id from items where text_hash is not null) as has_text
from (select unnest(results).item_id as item_id from search_sessions)
group by item_id
