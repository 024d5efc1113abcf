-- Pairs by bins of their ranks: bin k holds the values in [k * step, (k + 1) * step). Reads pairs. Parameters: $step.
/* One look at the pairs, at both ranks together: each takes some fifty values. */
with together as materialized (
    select
        floor(positive_rank::double / $step::double)::bigint as positive,
        floor(negative_rank::double / $step::double)::bigint as negative,
        count(*) as pairs
    from pairs
    where isfinite(positive_rank) and isfinite(negative_rank)
    group by all
)
select 'positive' as what, positive as bin, sum(pairs)::bigint as pairs
from together
group by bin
union all
select 'negative', negative as bin, sum(pairs)::bigint
from together
group by bin
order by what, bin
