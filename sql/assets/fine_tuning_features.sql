-- The pairs inside the clamp window: strictly inside, and compared in float32, as FineTuningFeatures.clamp_diff_in does.
-- Reads pair_features (one day). Parameters: $min, $max.
select *
from pair_features
where abs(positive_rank - negative_rank) > $min::float
  and abs(positive_rank - negative_rank) < $max::float
