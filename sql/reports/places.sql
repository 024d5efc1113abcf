-- The place of every result of some sessions on its page, from 1, with its object and whether it drew an event. A list that is
-- ready as it was shown is the page. Of the others, one that names an item twice showed it at its first place, and results
-- without a text have their place and are not here.
-- Reads placed_sessions, search_sessions, fine_tuning_inputs.
with others as (
    select session_id from placed_sessions where not is_whole
),
shown as (
    select session_id, unnest(results).item_id as item_id, generate_subscripts(results, 1) as position
    from search_sessions
    where session_id in (select session_id from others)
),
first_places as (
    select session_id, item_id, min(position)::bigint as position
    from shown
    group by session_id, item_id
),
ready as (
    select session_id, unnest(item_ids) as item_id, unnest(object_ids) as object_id, unnest(clicked) as clicked
    from fine_tuning_inputs
    where session_id in (select session_id from others)
)
select session_id, object_id, position, clicked
from ready
join first_places using (session_id, item_id)
union all
/* Not unnested, the clicks are not read for those who want the places alone. */
select session_id, object_id, position, clicked[position]
from (
    select session_id, unnest(object_ids) as object_id, generate_subscripts(object_ids, 1)::bigint as position, clicked
    from fine_tuning_inputs
    where session_id in (select session_id from placed_sessions where is_whole)
)
