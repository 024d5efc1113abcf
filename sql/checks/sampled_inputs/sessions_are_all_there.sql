-- Thinning drops not-events, never a session, and changes nothing else.
-- To do: Make the day of sampled_inputs anew: it was made of another version of fine_tuning_inputs.
-- blocks; reads sampled_inputs, fine_tuning_inputs; through uncopied_sessions
with inputs as (
    select i.* from fine_tuning_inputs as i semi join uncopied_sessions as u on u.session_id is not distinct from i.session_id
),
sampled as (
    select s.* from sampled_inputs as s semi join uncopied_sessions as u on u.session_id is not distinct from s.session_id
)
select coalesce(s.session_id, i.session_id) as session_id, i.item_ids as inputs, s.item_ids as sampled
from inputs as i
full join sampled as s using (session_id)
where i.item_ids is distinct from s.item_ids
   or i.clicked is distinct from s.clicked
   or i.object_ids is distinct from s.object_ids
   or i.ranks is distinct from s.ranks
   or i.event_weight is distinct from s.event_weight
   or i.started_at is distinct from s.started_at
   or i.query_hash is distinct from s.query_hash
   or i.is_irrelevant is distinct from s.is_irrelevant
