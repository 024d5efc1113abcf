-- Every logged result, counted by why it is not in fine_tuning_inputs; '' where it is.
-- Reads search_sessions, flags, fine_tuning_inputs, whole_lists, items.
with flagged as (
    select sum(len(results)) as results from search_sessions where session_id in (select session_id from flags)
),
/* All of these lists is ready as it was shown; of the other sessions' every result is looked up. */
whole as (
    select sum(results) as results from whole_lists where session_id not in (select session_id from flags)
),
others as (
    select session_id
    from search_sessions
    where session_id not in (select session_id from whole_lists)
      and session_id not in (select session_id from flags)
),
listed as (
    select session_id, unnest(results).item_id as item_id
    from search_sessions
    where session_id in (select session_id from others)
),
entries as (
    select session_id, item_id, count(*) as times
    from listed
    group by session_id, item_id
),
ready as (
    select session_id, unnest(item_ids) as item_id
    from fine_tuning_inputs
    where session_id in (select session_id from others)
),
fates as (
    select
        case
            when r.item_id is not null then ''
            when i.item_id is null then 'no text in the catalogue'
            else 'not made yet'
        end as reason,
        e.times
    from entries as e
    left join ready as r on r.session_id = e.session_id and r.item_id = e.item_id
    left join items as i on i.item_id = e.item_id
),
counted as (
    select reason, sum(results)::bigint as results
    from (select reason, 1 as results from fates union all select '', results from whole)
    group by reason
    union all
    select 'shown twice in one list', coalesce(sum(times - 1), 0)::bigint from fates
    union all
    select 'of flagged sessions', results::bigint from flagged
)
select reason, results
from counted
where results > 0
order by results desc, reason
