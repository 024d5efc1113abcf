-- How often a result was shown at each position, and drew an event there. A list that is ready as it was shown
-- is the page; of the others the places were looked up. Reads fine_tuning_inputs, whole_lists, places (of the others).
with shown as (
    select generate_subscripts(clicked, 1)::bigint as position, unnest(clicked) as clicked
    from fine_tuning_inputs
    where session_id in (select session_id from whole_lists)
    union all
    select position, clicked from places
)
select position, count(*)::bigint as shown, count(*) filter (where clicked)::bigint as clicks
from shown
group by position
order by position
