-- Mean and quartiles of the confidences at each position: of objects, each once, at the first place of their parts.
-- Quartiles are in steps of 1/200, so that memory does not grow with the pairs. Of pairs across sessions the positive
-- counts alone: the session of the negative is not told.
-- An object of a session goes by a 64-bit hash. Reads placed_sessions, places (of these sessions), pairs.
with objects as (
    select hash(session_id, object_id) as object, min(position) as position
    from places
    group by object
),
drawn as materialized (
    select
        hash(session_id, positive_id) as positive,
        positive_confidence,
        hash(session_id, negative_id) as negative,
        negative_confidence,
        pairing = 'session' as is_own
    from pairs
    where session_id in (select session_id from placed_sessions)
),
believed as (
    select distinct true as is_event, positive as object, positive_confidence as confidence
    from drawn
    union all
    select distinct false, negative, negative_confidence
    from drawn
    where is_own
),
levels as (
    select
        b.is_event,
        o.position,
        round(b.confidence * 200)::bigint as level,
        count(*) as objects,
        sum(b.confidence) as total
    from believed as b
    join objects as o using (object)
    where isfinite(b.confidence)
    group by all
),
reached as (
    select
        *,
        sum(objects) over (partition by is_event, position order by level) as so_far,
        sum(objects) over (partition by is_event, position) as in_all
    from levels
)
select
    is_event,
    position,
    sum(objects)::bigint as objects,
    sum(total) / sum(objects) as mean,
    min(level) filter (where so_far * 4 >= in_all) / 200 as lower_quartile,
    min(level) filter (where so_far * 4 >= in_all * 3) / 200 as upper_quartile
from reached
group by is_event, position
order by is_event, position
