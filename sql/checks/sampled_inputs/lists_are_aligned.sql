-- kept is as long as the list of the session that it thins, and holds no null.
-- To do: Make the day of sampled_inputs anew; nothing behind it can be read while kept does not say of every result whether it
-- stays.
-- blocks; reads sampled_inputs; through sampled_lists
with looked_at as (
    select s.session_id, item_ids, clicked, kept
    from sampled_inputs as s
    semi join (select session_id from sampled_lists where not is_aligned) as l
        on l.session_id is not distinct from s.session_id
    offset 0 /* Else DuckDB asks the rule of all sessions, and then looks up of which it should have. */
)
select session_id, len(item_ids) as item_ids, len(clicked) as clicked, len(kept) as kept
from looked_at
where len(kept) is distinct from len(item_ids)
   or len(clicked) is distinct from len(item_ids)
   or list_count(kept) <> len(kept)
