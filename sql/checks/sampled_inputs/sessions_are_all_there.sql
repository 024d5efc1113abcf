-- Thinning drops not-events, never a session, and changes nothing else.
-- blocks; reads sampled_inputs, fine_tuning_inputs
select coalesce(s.session_id, i.session_id) as session_id, i.item_ids as inputs, s.item_ids as sampled
from fine_tuning_inputs as i
full join sampled_inputs as s using (session_id)
where i.item_ids is distinct from s.item_ids
   or i.clicked is distinct from s.clicked
   or i.query_hash is distinct from s.query_hash
   or i.is_irrelevant is distinct from s.is_irrelevant
