-- Where a day's sessions can be cut: every so many of them, of all and of each side of irrelevant pairing (the sides are those of
-- pair_features_partners), with how many there are and how many results they show.
-- Reads sessions (a day of sampled_inputs). Parameters: $every, $sides (whether the sides are wanted).
with keys as (
    select started_at, session_id, is_irrelevant, is_irrelevant or list_bool_or(clicked) as is_paired, len(item_ids) as results
    from sessions
),
placed as (
    select 'all' as kind, started_at, session_id, results, row_number() over (order by started_at, session_id) - 1 as place
    from keys
    union all
    select if(is_irrelevant, 'irrelevant', 'relevant'), started_at, session_id, results,
        row_number() over (partition by is_irrelevant order by started_at, session_id) - 1
    from keys
    where $sides and is_paired
),
sums as (
    select kind, count(*) as sessions, sum(results)::bigint as results
    from placed
    group by kind
)
select kind, sessions, sums.results, list({'at': started_at, 'id': session_id} order by place) as cuts
from placed
join sums using (kind)
where place % $every = 0
group by kind, sessions, sums.results
