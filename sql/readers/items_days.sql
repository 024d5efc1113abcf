-- Days that new and changed items touch: those whose lists show one of them.
with shown as (
    select distinct session_date as day, unnest(results).item_id as item_id
    from search_sessions
)

select distinct shown.day
from shown
semi join (
    select d.item_id
    from item_decisions as d
    inner join files as f using (file_number)
    where d.disposition <> 'rejected' and d.is_last and d.is_news and not list_contains(f.held, 'items')
) as news on shown.item_id = news.item_id
order by shown.day;
