-- The items that a day showed and that have a text, with their objects.
-- Reads search_sessions (one day), items.
select item_id, any_value(object_id) as object_id
from items
where text_hash is not null
  and item_id in (select unnest(results).item_id from search_sessions)
group by item_id
