-- The means of pairs, and how many of them have two ranks that are numbers; null without a pair. Reads pairs.
select
    count(*)::bigint as pairs,
    count(*) filter (isfinite(positive_rank) and isfinite(negative_rank))::bigint as pairs_with_ranks,
    avg(positive_rank) as mean_positive_rank,
    avg(negative_rank) as mean_negative_rank,
    avg((target * (positive_rank - negative_rank) > 0)::int) as share_ordered_right,
    avg(positive_confidence) as mean_positive_confidence,
    avg(negative_confidence) as mean_negative_confidence
from pairs
