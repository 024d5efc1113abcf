-- The object of an item is the one that the catalogue says, in every list.
-- To do: Make the day anew. If it comes back, see the item in items: parts of another object make pairs of one thing with
-- itself, or thin it in halves.
-- blocks; reads fine_tuning_inputs, items as read; through session_lists
/* A list of items that are each their own object is wrong only where the catalogue knows one of them for a part. */
with looked_at as (
    select i.session_id, item_ids, object_ids
    from fine_tuning_inputs as i
    semi join (
        select session_id
        from session_lists
        where not are_objects
           or exists (from items_as_read where object_id <> item_id)
    ) as l
        on l.session_id is not distinct from i.session_id
),
parts as (select session_id, unnest(item_ids) as item_id, unnest(object_ids) as object_id from looked_at),
named as (
    select item_id, object_id, any_value(session_id) as session_id, count(*) as shown
    from parts
    where item_id is not null
      and object_id is not null
    group by item_id, object_id
)
select n.session_id, n.item_id, n.object_id, i.object_id as object_in_catalogue, n.shown
from named as n
join items_as_read as i using (item_id)
where n.object_id <> i.object_id
order by n.shown desc, n.item_id
