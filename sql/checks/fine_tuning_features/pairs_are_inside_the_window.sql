-- min < |positive_rank - negative_rank| < max, both strict, compared in float32.
-- blocks; reads fine_tuning_features
select session_id, positive_id, negative_id, positive_rank, negative_rank,
    abs(positive_rank - negative_rank) as difference, $min as min, $max as max
from fine_tuning_features
/* isfinite: DuckDB trusts a file's least and greatest value, which leave NaN out. */
where not coalesce(isfinite(positive_rank - negative_rank), false)
   or not coalesce(abs(positive_rank - negative_rank) > $min::float, false)
   or not coalesce(abs(positive_rank - negative_rank) < $max::float, false)
