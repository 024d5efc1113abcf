-- Keys of waiting_records that wait no longer.
select event_id
from released_events
where place not in ('session', 'impression');
