-- The pairs kept and the pairs outside the clamp window are, together, all that were extracted.
-- To do: Make the day of fine_tuning_features anew; pairs_come_from_pair_features shows which pairs are missing or too many.
-- blocks; reads fine_tuning_features, pair_features
select count(*) as pairs_extracted, (select count(*) from fine_tuning_features) as pairs_kept,
    count(*) filter (not inside_window(positive_rank, negative_rank, $min, $max)) as pairs_clamped
from pair_features;

select *
from numbers
where pairs_kept + pairs_clamped <> pairs_extracted
