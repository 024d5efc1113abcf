-- Pairs by bins: bin k holds the values in [k * step, (k + 1) * step). Reads pair_features. Parameters: $rank_step,
-- $difference_step.
with differences as (
    select positive_rank, negative_rank, abs(positive_rank - negative_rank) as difference
    from pair_features
    where isfinite(positive_rank) and isfinite(negative_rank)
),
/* One look at the pairs: each of the three takes fifty values or so, and two of them tell the third but for a few. */
together as materialized (
    select
        floor(positive_rank::double / $rank_step::double)::bigint as positive,
        floor(negative_rank::double / $rank_step::double)::bigint as negative,
        floor(difference::double / $difference_step::double)::bigint as difference,
        count(*) as pairs
    from differences
    group by all
)
select 'positive' as what, positive as bin, sum(pairs)::bigint as pairs
from together
group by bin
union all
select 'negative', negative as bin, sum(pairs)::bigint
from together
group by bin
union all
select 'difference', difference as bin, sum(pairs)::bigint
from together
group by bin
order by what, bin
