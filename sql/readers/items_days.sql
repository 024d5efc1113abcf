-- Days that items touch: those whose lists show one that is new or part of another object now, or whose text was changed
-- (where changed texts re-open days).
with shown as (
    select distinct session_date as day, unnest(results).item_id as item_id
    from search_sessions
)

select distinct shown.day
from shown
semi join (
    select item_id
    from item_decisions
    where fate <> 'rejected' and is_last and is_news and (is_regrouped or getvariable('changed_texts_reopen_days'))
) as news on shown.item_id = news.item_id
order by shown.day;
