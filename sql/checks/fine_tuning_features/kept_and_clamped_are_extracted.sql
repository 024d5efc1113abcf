-- The pairs kept and the pairs outside the clamp window are, together, all that were extracted.
-- To do: Make the day of fine_tuning_features anew; pairs_come_from_pair_features shows which pairs are missing or too many.
-- blocks; reads fine_tuning_features, pair_features; through days_of_pairs
select coalesce(sum(pairs) filter (not is_kept), 0) as pairs_extracted, coalesce(sum(pairs) filter (is_kept), 0) as pairs_kept,
    coalesce(sum(outside) filter (not is_kept), 0) as pairs_clamped
from days_of_pairs;

select *
from numbers
where pairs_kept + pairs_clamped <> pairs_extracted
