-- Days that events touch: those of their sessions.
select distinct s.started_at::date as day
from sessions_at_hand as s
semi join (
    select session_id from event_decisions where fate = 'accepted' and waits_for is null
    union all
    select session_id from released_events where place = 'accepted'
) as e on s.session_id = e.session_id
order by day;
