-- Sessions whose result list is ready just as it was shown, and how long it is: mostly all of them, and whoever counts results
-- need only take the others apart. Lists are the same where their 64-bit hashes are: a join of strings would carry the lists.
-- Reads search_sessions, fine_tuning_inputs.
with shown as (
    select session_id, hash(list_transform(results, lambda r: r.item_id)) as items from search_sessions
),
ready as (
    select session_id, hash(item_ids) as items, len(item_ids) as results from fine_tuning_inputs
)
select session_id, results
from ready
join shown using (session_id, items)
