-- Between which values the ranks lie of pairs that have two, and their means; null without such a pair. Reads pairs.
select
    least(min(positive_rank), min(negative_rank)) as lowest_rank,
    greatest(max(positive_rank), max(negative_rank)) as highest_rank,
    avg(positive_rank) as mean_positive_rank,
    avg(negative_rank) as mean_negative_rank,
    avg((target * (positive_rank - negative_rank) > 0)::int) as share_ordered_right,
    count(*)::bigint as pairs
from pairs
where isfinite(positive_rank) and isfinite(negative_rank)
