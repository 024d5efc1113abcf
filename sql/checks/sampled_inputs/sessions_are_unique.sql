-- A session stands once in its day.
-- To do: Make the day anew. If it comes back, fine_tuning_inputs names it twice: see its sessions_are_unique.
-- blocks; reads sampled_inputs
select session_id, count(*) as rows
from sampled_inputs
group by session_id
having count(*) > 1
