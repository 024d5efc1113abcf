-- Clicks fall on each of the first `positions` places of the page as often as over the 7 days before. A place alarms only where
-- all of these hold: it was shown `least_shown` times on either side, and a z test can be trusted (5 clicks and 5 non-clicks
-- expected on either side); the pooled two-proportion z exceeds `deviations` (NIST/SEMATECH e-Handbook of Statistical Methods,
-- 7.3.3); and the change is large enough to matter, Cohen's h = |2 asin(sqrt(p)) - 2 asin(sqrt(q))| above `effect` (Cohen,
-- Statistical Power Analysis for the Behavioral Sciences, 2nd ed. 1988, chapter 6; 0.2 is a small effect). With 4 deviations
-- and 10 places chance alone alarms on less than one day in 1,500. No history, no alarm.
-- To do: Ask what changed: the page (a place that is not seen any more), the logging of clicks, bots, or event_types in the
-- settings. If the log is at fault, mend and land it again before training; if users did change, the alarm ends after a week.
-- parameters: positions=10 in [1, inf], least_shown=400 in [1, inf], deviations=4.0 in [0, inf], effect=0.2 in [0, 3.15]
-- warns; reads fine_tuning_inputs, fine_tuning_inputs of the 7 days before, search_sessions, search_sessions of the 7 days before;
-- through clicks_by_place, clicks_by_place of the 7 days before
with counts as (
    select position, coalesce(t.shown, 0) as shown, coalesce(t.clicks, 0) as clicks,
        coalesce(b.shown, 0) as shown_before, coalesce(b.clicks, 0) as clicks_before
    from clicks_by_place as t
    full join (
        select position, sum(shown)::bigint as shown, sum(clicks)::bigint as clicks
        from clicks_by_place_before
        group by position
    ) as b using (position)
    where position <= $positions::bigint
),
rates as (
    select *, clicks / shown as rate, clicks_before / shown_before as rate_before,
        (clicks + clicks_before) / (shown + shown_before) as pooled
    from counts
    where least(shown, shown_before) >= greatest($least_shown, 1)
),
tests as (
    select *, (rate - rate_before) / sqrt(pooled * (1 - pooled) * (1 / shown + 1 / shown_before)) as deviations,
        2 * asin(sqrt(rate)) - 2 * asin(sqrt(rate_before)) as effect
    from rates
    where least(shown, shown_before) * least(pooled, 1 - pooled) >= 5
)
select position, shown, round(rate, 4) as click_rate, shown_before, round(rate_before, 4) as click_rate_before,
    round(deviations, 1) as deviations, round(effect, 3) as effect
from tests
where abs(deviations) > $deviations
  and abs(effect) > $effect
order by position
