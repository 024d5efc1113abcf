-- Pairs by bins of how far apart their ranks are: bin k holds the values in [k * step, (k + 1) * step). Reads pair_features.
-- Parameters: $step.
select floor(abs(positive_rank - negative_rank)::double / $step::double)::bigint as bin, count(*)::bigint as pairs
from pair_features
where isfinite(positive_rank) and isfinite(negative_rank)
group by bin
order by bin
