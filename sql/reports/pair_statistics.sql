-- What a day's pairs look like: numbers that Dagster's UI plots over the days. Reads pairs (one day of a table of pairs).
select
    count(distinct session_id) as sessions,
    /* By 64-bit hashes: of 10^7 a second pair of equal ones has a chance of 1 in 10^5. */
    count(distinct hash(session_id, positive_id)) as positives,
    count(distinct hash(session_id, negative_id)) as negatives,
    avg(positive_rank) as mean_positive_rank,
    avg(negative_rank) as mean_negative_rank,
    avg((target * (positive_rank - negative_rank) > 0)::int) as share_ordered_right,
    avg(positive_confidence) as mean_positive_confidence,
    avg(negative_confidence) as mean_negative_confidence
from pairs
