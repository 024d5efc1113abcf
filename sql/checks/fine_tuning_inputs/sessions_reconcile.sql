-- Every logged session of the day is here, unless an enforced rule flags it or it showed nothing that has a text; and no other
-- is here.
-- To do: Make the day anew. If sessions are still missing, they got lost between search_sessions and this table: do not train
-- on the day, and report it with the sessions shown.
-- blocks; reads fine_tuning_inputs, search_sessions as read, flagged_sessions as read, items as read;
-- through shown_items as read
with textless as (select item_id from shown_items_as_read where item_id is not null and not coalesce(has_text, false)),
/* Mostly the first result has a text: only of the other sessions all results are looked at. */
firsts as (
    select session_id, results[1].item_id is not null and results[1].item_id not in (from textless) as has_text
    from search_sessions_as_read
),
shown as (
    select session_id, unnest(results).item_id as item_id
    from search_sessions_as_read
    where session_id in (select session_id from firsts where not has_text)
),
with_text as (select session_id from shown where item_id is not null and item_id not in (from textless)),
logged as (
    select session_id, session_id in (select session_id from flagged_sessions_as_read where is_enforced) as is_flagged,
        has_text or session_id in (from with_text) as has_text
    from firsts
),
made as (select distinct session_id from fine_tuning_inputs)
select
    session_id,
    case
        when l.session_id is null then 'unexpected: it is not in the log of this day'
        when m.session_id is null then 'missing'
        when l.is_flagged then 'unexpected: an enforced rule flags it'
        else 'unexpected: nothing that it showed has a text'
    end as problem
from logged as l
full join made as m using (session_id)
where (m.session_id is not null) <> coalesce(l.has_text and not l.is_flagged, false)
order by problem, session_id
