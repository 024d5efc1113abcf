-- Sessions with their pairs and the objects in these counted. Reads pairs (one day of a table of pairs).
-- A negative stands in as many pairs as there are positives in its session, so millions would have to be told apart to count
-- them. Mostly every positive of a session stands against the same negatives, which then are as many as the pairs of any one
-- positive (pairs are unique). That is told by their number and their 64-bit hashes; of other sessions, `negatives` says nothing.
with positives as (
    select session_id, positive_id, count(*) as negatives, bit_xor(hash(negative_id)) as which
    from pairs
    group by session_id, positive_id
)
select
    session_id,
    sum(negatives)::bigint as pairs,
    count(*) as positives,
    max(negatives) as negatives,
    min(negatives) = max(negatives) and min(which) = max(which) as are_the_same
from positives
group by session_id
