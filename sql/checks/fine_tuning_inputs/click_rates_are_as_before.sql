-- Clicks fall on each of the first `positions` places of the page as often as over the 7 days before. A place alarms only where
-- all of these hold: it was shown `least_shown` times on either side, and a z test can be trusted (5 clicks and 5 non-clicks
-- expected on either side); the pooled two-proportion z exceeds `deviations` (NIST/SEMATECH e-Handbook of Statistical Methods,
-- 7.3.3); and the change is large enough to matter, Cohen's h = |2 asin(sqrt(p)) - 2 asin(sqrt(q))| above `effect` (Cohen,
-- Statistical Power Analysis for the Behavioral Sciences, 2nd ed. 1988, chapter 6; 0.2 is a small effect). With 4 deviations
-- and 10 places chance alone alarms on less than one day in 1,500. No history, no alarm.
-- To do: Ask what changed: the page (a place that is not seen any more), the logging of clicks, bots, or event_types in the
-- settings. If the log is at fault, mend and land it again before training; if users did change, the alarm ends after a week.
-- parameters: positions=10 in [1, inf], least_shown=400 in [1, inf], deviations=4.0 in [0, inf], effect=0.2 in [0, 3.15]
-- warns; reads fine_tuning_inputs, fine_tuning_inputs of the 7 days before, search_sessions, search_sessions of the 7 days before
with lengths as materialized (
    select true as is_today, session_id, clicked[1:$positions::bigint] as clicks, len(clicked) = shown as is_whole
    from fine_tuning_inputs
    join (select session_id, len(results) as shown from search_sessions) using (session_id)
    union all
    select false, session_id, clicked[1:$positions::bigint], len(clicked) = shown
    from fine_tuning_inputs_before
    join (select session_id, len(results) as shown from search_sessions_before) using (session_id)
),
/* Where nothing was removed, a result's place in the list is its place on the page. Which items stand there is not read. */
thinned as (select session_id from lengths where not is_whole),
lists as (
    select true as is_today, item_ids, clicked, list_transform(results, lambda r: r.item_id) as shown
    from fine_tuning_inputs
    join search_sessions using (session_id)
    where session_id in (from thinned)
      and len(clicked) <> len(results)
    union all
    select false, item_ids, clicked, list_transform(results, lambda r: r.item_id)
    from fine_tuning_inputs_before
    join search_sessions_before using (session_id)
    where session_id in (from thinned)
      and len(clicked) <> len(results)
),
pages as (
    select is_today, clicks from lengths where is_whole
    union all
    select is_today,
        list_transform(
            shown[1:$positions::bigint],
            lambda item, place: case
                when list_position(shown, item) = place then clicked[list_position(item_ids, item)]
            end
        )
    from lists
),
shown as (
    select is_today, unnest(clicks) as clicked, generate_subscripts(clicks, 1) as position
    from pages
),
counts as (
    select position,
        count(*) filter (is_today) as shown, count(*) filter (is_today and clicked) as clicks,
        count(*) filter (not is_today) as shown_before, count(*) filter (not is_today and clicked) as clicks_before
    from shown
    where clicked is not null /* a result without a text has its place, and is not counted. */
    group by position
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
