-- kept is as long as the list of the session that it thins, and holds no null.
-- To do: Make the day of sampled_inputs anew; nothing behind it can be read while kept does not say of every result whether it
-- stays.
-- blocks; reads sampled_inputs
select session_id, len(item_ids) as item_ids, len(clicked) as clicked, len(kept) as kept
from sampled_inputs
where len(kept) is distinct from len(item_ids)
   or len(clicked) is distinct from len(item_ids)
   or list_count(kept) <> len(kept)
