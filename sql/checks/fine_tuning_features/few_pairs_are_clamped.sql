-- At most the share `most` of pairs lies outside the clamp window, on a day of `least_pairs` pairs or more.
-- To do: See the distribution of |positive_rank - negative_rank| in the metadata, and set the window to it (ops:
-- fine_tuning_features: config). Another ranker or model needs another window: dot products and distances are not in [-1, 1].
-- parameters: most=0.5 in [0, 1], least_pairs=100 in [0, inf]
-- warns; reads pair_features
select count(*) as pairs_extracted,
    count(*) filter (not inside_window(positive_rank, negative_rank, $min, $max)) as pairs_clamped,
    avg((not inside_window(positive_rank, negative_rank, $min, $max))::int) as share_clamped
from pair_features;

select *, $most as most, $min as min, $max as max
from numbers
where pairs_extracted >= $least_pairs
  and share_clamped > $most
