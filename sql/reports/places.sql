-- The place of every result on its page, from 1, with its object and whether it drew an event. A list that names an item
-- twice showed it at its first place. Results without a text have their place and are not here.
-- Reads search_sessions, fine_tuning_inputs.
/* Mostly the whole list has texts and names nothing twice: then it is the page. */
with whole as (
    select session_id
    from fine_tuning_inputs
    join search_sessions using (session_id)
    where item_ids = list_transform(results, lambda r: r.item_id)
),
listed as (
    select session_id, unnest(results).item_id as item_id, generate_subscripts(results, 1) as position
    from search_sessions
    where session_id in (select session_id from fine_tuning_inputs)
      and session_id not in (select session_id from whole)
),
first_places as (
    select session_id, item_id, min(position)::bigint as position
    from listed
    group by session_id, item_id
),
ready as (
    select session_id, unnest(item_ids) as item_id, unnest(object_ids) as object_id, unnest(clicked) as clicked
    from fine_tuning_inputs
    where session_id not in (select session_id from whole)
)
select session_id, unnest(object_ids) as object_id, generate_subscripts(item_ids, 1)::bigint as position, unnest(clicked) as clicked
from fine_tuning_inputs
where session_id in (select session_id from whole)
union all
select session_id, object_id, position, clicked
from ready
join first_places using (session_id, item_id)
