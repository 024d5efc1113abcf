-- An item stands once in a session's list.
-- To do: Make the day anew. If it comes back, the item stands in items twice: see items_are_unique.
-- blocks; reads fine_tuning_inputs; through session_lists
with looked_at as (
    select i.session_id, item_ids
    from fine_tuning_inputs as i
    semi join (select session_id from session_lists where has_repeats) as l
        on l.session_id is not distinct from i.session_id
    offset 0 /* Else DuckDB asks the rule of all sessions, and then looks up of which it should have. */
)
select session_id, item_ids
from looked_at
where has_repeats(item_ids)
