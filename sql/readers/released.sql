-- What became of the events that had waited.
select case when place = 'accepted' then 'joined' else place end as place, count(*) as records
from released_events
where place not in ('session', 'impression')
group by all;
