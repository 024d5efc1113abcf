-- How often a result was shown at each position, and drew an event there. A list that is ready as it was shown
-- is the page; of the others the places were looked up. Reads whole_lists, places (of the others).
/* Few patterns of clicks make up most lists. */
with patterns as (
    select clicked, count(*) as lists from whole_lists group by clicked
),
shown as (
    select generate_subscripts(clicked, 1)::bigint as position, unnest(clicked) as clicked, lists as times
    from patterns
    union all
    select position, clicked, 1 from places
)
select position, sum(times)::bigint as shown, coalesce(sum(times) filter (clicked), 0)::bigint as clicks
from shown
group by position
order by position
