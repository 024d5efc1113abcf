-- What a day's pairs look like: numbers that Dagster's UI plots over the days.
-- Reads pairs (one day of a table of pairs), and of these sessions_of_pairs (as objects_of_pairs counts them) and means_of_pairs.
/* Materialized, so that nothing is hashed but what is told apart. */
with told_apart as materialized (
    select session_id, negative_id
    from pairs
    where session_id in (select session_id from sessions_of_pairs where not are_the_same)
),
others as (
    select count(distinct hash(session_id, negative_id)) as negatives from told_apart
),
counted as (
    select
        count(*) as sessions,
        coalesce(sum(positives), 0)::bigint as positives,
        coalesce(sum(negatives) filter (where are_the_same), 0)::bigint as negatives
    from sessions_of_pairs
)
select
    counted.sessions,
    counted.positives,
    counted.negatives + others.negatives as negatives,
    means.* exclude (pairs, pairs_with_ranks)
from counted
cross join others
cross join means_of_pairs as means
