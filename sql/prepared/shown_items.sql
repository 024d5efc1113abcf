-- The items that the log shows, how often, and whether each has a text. They are counted beforehand, as counted_items.
-- reads search_sessions, items
select item_id, results, item_id in (select item_id from items where text_hash is not null) as has_text
from counted_items
