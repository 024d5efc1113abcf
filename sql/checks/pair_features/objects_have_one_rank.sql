-- In a session an object has one rank and one confidence, in whatever pairs it stands, as a positive and as a negative. (Of a
-- pairing with an irrelevant session the positive is held to this, also against the session's own pairs: to within 0.00001,
-- for it is scored in another batch. Whose negative it is, such a pair does not say.)
-- To do: Make the day of pair_features anew. If it comes back, report it with the objects shown: ranks or confidences are
-- those of other rows.
-- blocks; reads pair_features, sampled_inputs; through doubtful_sessions
/* With an irrelevant session a pair may be of any session; of their own pairs, the doubtful ones are what has to be looked at. */
with suspects as (
    from doubtful_sessions
    union
    select session_id from pair_features where pairing is distinct from 'session'
),
pairs as not materialized (
    select p.* from pair_features as p semi join suspects as s on s.session_id is not distinct from p.session_id
),
sides as (
    select session_id, positive_id as object_id, positive_rank as rank, positive_confidence as confidence from pairs
    union all
    select session_id, negative_id, negative_rank, negative_confidence from pairs where pairing = 'session'
)
select session_id, object_id, count(*) as pairs, min(rank) as lowest_rank, max(rank) as highest_rank,
    min(confidence) as lowest_confidence, max(confidence) as highest_confidence
from sides
where isfinite(rank) and isfinite(confidence)
group by session_id, object_id
having max(rank) - min(rank) > 1e-5 * greatest(1, abs(max(rank)))
    or max(confidence) - min(confidence) > 1e-5
order by session_id, object_id
