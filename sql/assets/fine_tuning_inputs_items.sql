-- The items that a day showed and that have a text, with their objects.
-- Reads shown (the ids of a day's results), items.
select item_id, any_value(object_id) as object_id
from items
where text_hash is not null
  and item_id in (select item_id from shown)
group by item_id
