-- Days that new events touch: those of their sessions, in the lake or in this group. An event of an unknown session
-- touches none; the session's arrival will.
with days as (
    select session_id, session_date as day from known_sessions
    union
    select session_id, started_at::date as day from session_decisions where disposition = 'accepted'
)

select distinct days.day
from event_decisions as d
inner join files as f using (file_number)
inner join days on d.session_id = days.session_id
where d.disposition = 'accepted' and not list_contains(f.held, 'session_events')
order by days.day;
