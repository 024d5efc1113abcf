-- A session stands once in its day.
-- To do: Make the day anew. If it comes back, search_sessions names the session twice: see its sessions_are_unique.
-- blocks; reads fine_tuning_inputs
select session_id, count(*) as rows
from fine_tuning_inputs
group by session_id
having count(*) > 1
