-- Days that items touch: those whose lists show one that is new or part of another object now, or whose text was changed
-- (where changed texts re-open days). Lists are asked before they are made distinct: where no item is news, none is read.
with news as (
    select item_id
    from item_decisions
    where fate <> 'rejected' and is_last and is_news and (is_regrouped or getvariable('changed_texts_reopen_days'))
),

shown as (
    select session_date as day, unnest(results).item_id as item_id
    from search_sessions
)

select distinct shown.day
from shown
semi join news on shown.item_id = news.item_id
order by shown.day;
