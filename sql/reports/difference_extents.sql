-- How many pairs have two ranks, and how far apart these are at most; null without a pair. Reads pair_features.
select count(*)::bigint as pairs, max(abs(positive_rank - negative_rank)) as widest_difference
from pair_features
where isfinite(positive_rank - negative_rank)
