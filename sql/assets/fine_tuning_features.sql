-- The pairs inside the clamp window.
-- Reads pair_features (one day). Parameters: $min, $max.
select *
from pair_features
where inside_window(positive_rank, negative_rank, $min, $max)
