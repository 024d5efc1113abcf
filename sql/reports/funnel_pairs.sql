-- Every pair, counted by why its day's clamp window leaves it out; '' where the pair is inside.
-- Compared in float32, as the clamp does. Reads pair_features, settings (a row a day).
with differences as (
    select abs(p.positive_rank - p.negative_rank) as difference, d.low::float as low, d.high::float as high
    from pair_features as p
    left join settings as d using (session_date)
),
fates as (
    select
        case
            when low is null then 'not made yet'
            when not coalesce(isfinite(difference), false) then 'ranks that are no number'
            when difference <= low then 'too close'
            when difference >= high then 'too far apart'
            else ''
        end as reason
    from differences
)
select reason, count(*)::bigint as pairs
from fates
group by reason
order by pairs desc, reason
