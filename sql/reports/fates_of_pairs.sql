-- Pairs by why their day's clamp window leaves them out ('' where the pair is inside) and by bins of how far apart their ranks
-- are: bin k holds the values in [k * step, (k + 1) * step), and is null where a rank is no number.
-- Compared in float32, as the clamp does. Reads pair_features, settings (a row a day). Parameters: $step.
with differences as (
    select
        abs(p.positive_rank - p.negative_rank) as difference,
        coalesce(isfinite(difference), false) as is_number,
        d.low::float as low,
        d.high::float as high
    from pair_features as p
    left join settings as d using (session_date)
)
select
    case
        when low is null then 'not made yet'
        when not is_number then 'ranks that are no number'
        when difference <= low then 'too close'
        when difference >= high then 'too far apart'
        else ''
    end as reason,
    case when is_number then floor(difference::double / $step::double)::bigint end as bin,
    count(*)::bigint as pairs
from differences
group by reason, bin
