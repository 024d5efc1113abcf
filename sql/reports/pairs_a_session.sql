-- How many sessions have how many pairs; sessions that are irrelevant and stand in none are not counted.
-- Reads sampled_inputs, sessions_of_pairs (those with pairs).
with of_sessions as (
    select coalesce(c.pairs, 0) as pairs
    from sampled_inputs as s
    left join sessions_of_pairs as c using (session_id)
    where c.pairs is not null or not s.is_irrelevant
)
select pairs, count(*)::bigint as sessions
from of_sessions
group by pairs
order by pairs
