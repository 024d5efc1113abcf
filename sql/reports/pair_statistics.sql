-- What a day's pairs look like: numbers that Dagster's UI plots over the days. Reads pairs (one day of a table of pairs).
-- A negative stands in as many pairs as there are positives in its session, so millions would have to be told apart to count
-- them. Mostly every positive of a session stands against the same negatives, which then are as many as the pairs of any one
-- positive (pairs are unique). That is told by their number and their 64-bit hashes, and only other sessions are gone through.
with positives as materialized (
    select session_id, positive_id, count(*) as negatives, bit_xor(hash(negative_id)) as which
    from pairs
    group by session_id, positive_id
),
sessions as materialized (
    select
        session_id,
        count(*) as positives,
        max(negatives) as negatives,
        min(negatives) = max(negatives) and min(which) = max(which) as are_the_same
    from positives
    group by session_id
),
others as (
    select count(distinct hash(session_id, negative_id)) as negatives
    from pairs
    where session_id in (select session_id from sessions where not are_the_same)
),
counted as (
    select
        count(*) as sessions,
        coalesce(sum(positives), 0)::bigint as positives,
        coalesce(sum(negatives) filter (where are_the_same), 0)::bigint as negatives
    from sessions
),
means as (
    select
        avg(positive_rank) as mean_positive_rank,
        avg(negative_rank) as mean_negative_rank,
        avg((target * (positive_rank - negative_rank) > 0)::int) as share_ordered_right,
        avg(positive_confidence) as mean_positive_confidence,
        avg(negative_confidence) as mean_negative_confidence
    from pairs
)
select counted.sessions, counted.positives, counted.negatives + others.negatives as negatives, means.*
from counted
cross join others
cross join means
