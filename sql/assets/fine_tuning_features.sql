-- Which pairs are inside the clamp window, in the order in which they came.
-- Reads pairs (some of a day's pair_features). Parameters: $min, $max.
select inside_window(positive_rank, negative_rank, $min, $max) as is_inside
from pairs
