-- The numbers that matter, a row a day; null where the day was not made, or there is nothing to take a mean of.
-- Reads settings (a row a day), search_sessions, flags, fine_tuning_inputs, items, pair_features, fine_tuning_features.
-- A result is without a text as funnel_results has it: one that has come since the day was made, or whose text has, is not.
with lists as (
    select
        session_date,
        session_id in (select session_id from flags) as is_flagged,
        len(list_distinct(list_transform(results, lambda r: r.item_id))) as results
    from search_sessions
),
logged as (
    select
        session_date,
        count(*)::bigint as sessions,
        count(*) filter (is_flagged)::bigint as sessions_flagged,
        coalesce(sum(results) filter (where not is_flagged), 0)::bigint as results
    from lists
    group by session_date
),
shown as (
    select distinct session_date, session_id, unnest(results).item_id as item_id
    from search_sessions
    where session_id not in (select session_id from flags)
),
listed_ready as (
    select session_id, unnest(item_ids) as item_id from fine_tuning_inputs
),
without_text as (
    select s.session_date, count(*)::bigint as results
    from shown as s
    anti join listed_ready as r on r.session_id = s.session_id and r.item_id = s.item_id
    anti join items as i on i.item_id = s.item_id
    group by s.session_date
),
ready as (
    select
        session_date,
        count(*)::bigint as sessions_ready,
        avg(is_irrelevant::int) as share_irrelevant,
        sum(len(item_ids))::bigint as results_ready,
        sum(len(list_filter(clicked, lambda c: c)))::bigint as events,
        count(distinct query_hash)::bigint as distinct_queries
    from fine_tuning_inputs
    group by session_date
),
items_shown as (
    select session_date, count(distinct item_id)::bigint as distinct_items
    from (select session_date, unnest(item_ids) as item_id from fine_tuning_inputs)
    group by session_date
),
extracted as (
    select
        session_date,
        count(*)::bigint as pairs,
        count(distinct session_id)::bigint as sessions_with_pairs,
        avg(positive_rank) as mean_positive_rank,
        avg(negative_rank) as mean_negative_rank,
        avg((target * (positive_rank - negative_rank) > 0)::int) as share_ordered_right,
        avg(positive_confidence) as mean_positive_confidence,
        avg(negative_confidence) as mean_negative_confidence
    from pair_features
    group by session_date
),
kept as (
    select session_date, count(*)::bigint as features from fine_tuning_features group by session_date
)
select
    d.session_date,
    coalesce(l.sessions, 0) as sessions,
    if(d.inputs_made, coalesce(l.sessions_flagged, 0), null) as sessions_flagged,
    if(d.inputs_made, coalesce(r.sessions_ready, 0), null) as sessions_ready,
    r.share_irrelevant,
    if(d.inputs_made, coalesce(w.results, 0) / nullif(l.results, 0), null) as share_results_without_text,
    r.results_ready / r.sessions_ready as results_a_session,
    if(d.inputs_made, coalesce(r.events, 0), null) as events,
    r.events / r.results_ready as click_rate,
    if(d.inputs_made, coalesce(r.distinct_queries, 0), null) as distinct_queries,
    if(d.inputs_made, coalesce(i.distinct_items, 0), null) as distinct_items,
    if(d.pairs_made, coalesce(e.pairs, 0), null) as pairs,
    e.pairs / e.sessions_with_pairs as pairs_a_session,
    e.mean_positive_rank,
    e.mean_negative_rank,
    e.share_ordered_right,
    e.mean_positive_confidence,
    e.mean_negative_confidence,
    if(d.low is not null, coalesce(k.features, 0), null) as features,
    if(d.low is not null, (e.pairs - coalesce(k.features, 0)) / e.pairs, null) as share_clamped
from settings as d
left join logged as l using (session_date)
left join without_text as w using (session_date)
left join ready as r using (session_date)
left join items_shown as i using (session_date)
left join extracted as e using (session_date)
left join kept as k using (session_date)
order by d.session_date
