-- Either table of pairs as a bag: how many pairs it has, how many of them lie outside the clamp window, and the sum of 64-bit
-- hashes of the rows: of all that were kept, and of those that were extracted and lie inside. Where two bags of rows differ, so
-- do their counts or these sums, but for a chance of 1 in 2^64.
-- reads fine_tuning_features, pair_features
with pairs as (
    select true as is_kept, session_date, hash(*columns(*)) as hash,
        inside_window(positive_rank, negative_rank, $min, $max) as is_inside
    from fine_tuning_features
    union all
    select false, session_date, hash(*columns(*)), inside_window(positive_rank, negative_rank, $min, $max) from pair_features
)
select is_kept, session_date, count(*) as pairs, count(*) filter (not is_inside) as outside,
    sum(hash) filter (is_kept or is_inside) as hashes
from pairs
group by is_kept, session_date
