-- Every logged session by the last stage that it reached (0 logged, 1 not flagged, 2 with a text, 3 with an event or paired,
-- 4 with pairs), and why it went no further. An irrelevant session has pairs if its not-events stand in some: where the day
-- pairs such sessions, a session with an event is there to be paired with, and a not-event of it was kept.
-- Reads search_sessions, flags, fine_tuning_inputs, items, sampled_sessions, pair_features, settings (a row a day).
with unready as (
    select session_id
    from search_sessions
    where session_id not in (select session_id from fine_tuning_inputs)
      and session_id not in (select session_id from flags)
),
/* Their results alone are read. */
unready_results as (
    select session_id, unnest(results).item_id as item_id
    from search_sessions
    where session_id in (select session_id from unready)
),
with_texts as (
    select session_id from unready_results where item_id in (select item_id from items)
),
with_pairs as (
    select distinct session_id from pair_features
),
days as (
    select
        settings.*,
        session_date in (select session_date from pair_features where pairing = 'irrelevant') as pairs_irrelevant
    from settings
),
known as (
    select
        s.marked_irrelevant,
        f.rule,
        s.session_id in (select session_id from unready_results) as has_results,
        s.session_id in (select session_id from with_texts) as has_texts,
        i.session_id is not null as is_ready,
        i.is_irrelevant,
        coalesce(d.pairs_irrelevant, false) as pairs_irrelevant,
        coalesce(d.pairs_made, false) and o.session_id is not null as pairs_made,
        o.events,
        o.not_events,
        o.not_events_kept,
        s.session_id in (select session_id from with_pairs) as has_pairs
    from search_sessions as s
    left join flags as f on f.session_id = s.session_id
    left join fine_tuning_inputs as i on i.session_id = s.session_id
    left join sampled_sessions as o on o.session_id = s.session_id
    left join days as d on d.session_date = s.session_date
),
fates as (
    select
        case
            when rule is not null then 0
            when not is_ready then 1
            when is_irrelevant and not pairs_irrelevant then 2
            when has_pairs or (is_irrelevant and not_events_kept > 0) then 4
            else 3
        end as reached,
        case
            when rule is not null then 'flagged: ' || rule
            when not is_ready then
                case
                    when not has_results then 'no results shown'
                    when has_texts then 'not made yet'
                    else 'no result with a text'
                end
            when is_irrelevant and not pairs_irrelevant then
                case when marked_irrelevant then 'marked irrelevant' else 'no event' end
            when has_pairs or (is_irrelevant and not_events_kept > 0) then ''
            when not pairs_made then 'not made yet'
            when events = 0 and not is_irrelevant then 'events on what has no text'
            when not_events = 0 then 'every object drew an event'
            when not_events_kept = 0 then 'not-events all thinned out'
            else 'not made yet'
        end as reason
    from known
)
select reached, reason, count(*)::bigint as sessions
from fates
group by reached, reason
order by reached, sessions desc, reason
