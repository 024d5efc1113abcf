-- A pair of a session stands once.
-- To do: Make the day of pair_features anew. If it comes back, sampled_inputs names the session twice: see its
-- sessions_are_unique.
-- blocks; reads pair_features
with pairs as not materialized (
    select session_id, positive_id, negative_id, hash(session_id, positive_id, negative_id) as pair
    from pair_features
    where pairing = 'session'
),
/* Numbers are grouped twice as fast as words; pairs that are equal have one hash. */
repeated as (select pair from pairs group by pair having count(*) > 1)
select session_id, positive_id, negative_id, count(*) as rows
from pairs
where pair in (select pair from repeated)
group by session_id, positive_id, negative_id
having count(*) > 1
