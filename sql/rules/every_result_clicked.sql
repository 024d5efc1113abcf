-- Every result of a list drew a positive event: whoever takes all of them has chosen none. Short lists are let pass.
-- parameters: results=5, event_types=["click", "add_to_cart", "purchase"]
with positives as (
    select distinct session_id, item_id
    from session_events
    where event_type in (select unnest($event_types::varchar[]))
),
shown as (
    select distinct session_id, unnest(results).item_id as item_id
    from search_sessions
    /* The only ones that can be flagged: most drew fewer events than that. */
    where session_id in (select session_id from positives group by session_id having count(*) >= $results)
)
select
    s.session_id,
    format('all {} results drew an event, in a list of {} or more', count(*), $results::bigint) as detail
from shown as s
left join positives as p on p.session_id = s.session_id and p.item_id = s.item_id
group by s.session_id
having count(*) >= $results and count(p.item_id) = count(*)
