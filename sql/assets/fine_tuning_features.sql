-- The pairs inside the clamp window: strictly inside, and compared in float32, as FineTuningFeatures.clamp_diff_in does.
-- A rank that is no number keeps no pair. That has to be said: DuckDB trusts a file's least and greatest value, which
-- leave NaN out, and may take a comparison for true of every row.
-- Reads pair_features (one day). Parameters: $min, $max.
select *
from pair_features
where isfinite(positive_rank - negative_rank)
  and abs(positive_rank - negative_rank) > $min::float
  and abs(positive_rank - negative_rank) < $max::float
