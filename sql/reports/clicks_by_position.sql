-- How often a result was shown at each position, and drew an event there. Reads places.
select position, count(*)::bigint as shown, count(*) filter (where clicked)::bigint as clicks
from places
group by position
order by position
