-- Pairs by bins: bin k holds the values in [k * step, (k + 1) * step). Reads pair_features. Parameters: $rank_step,
-- $difference_step.
with differences as (
    select positive_rank, negative_rank, abs(positive_rank - negative_rank) as difference
    from pair_features
    where isfinite(positive_rank) and isfinite(negative_rank)
)
select 'positive' as what, floor(positive_rank::double / $rank_step::double)::bigint as bin, count(*)::bigint as pairs
from differences
group by bin
union all
select 'negative', floor(negative_rank::double / $rank_step::double)::bigint as bin, count(*)::bigint
from differences
group by bin
union all
select 'difference', floor(difference::double / $difference_step::double)::bigint as bin, count(*)::bigint
from differences
group by bin
order by what, bin
