-- Days that new sessions touch: their own.
select distinct d.started_at::date as day
from session_decisions as d
inner join files as f using (file_number)
where d.disposition = 'accepted' and not list_contains(f.held, 'search_sessions')
order by day;
