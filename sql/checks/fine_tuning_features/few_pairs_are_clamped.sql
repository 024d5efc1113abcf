-- At most the share `most` of pairs lies outside the clamp window, on a day of `least_pairs` pairs or more.
-- To do: See the distribution of |positive_rank - negative_rank| in the metadata, and set the window to it (ops:
-- fine_tuning_features: config). Another ranker or model needs another window: dot products and distances are not in [-1, 1].
-- parameters: most=0.5 in [0, 1], least_pairs=100 in [0, inf]
-- warns; reads fine_tuning_features, pair_features; through days_of_pairs
select coalesce(sum(pairs), 0) as pairs_extracted, coalesce(sum(outside), 0) as pairs_clamped,
    sum(outside) / sum(pairs) as share_clamped
from days_of_pairs
where not is_kept;

select *, $most as most, $min as min, $max as max
from numbers
where pairs_extracted >= $least_pairs
  and share_clamped > $most
