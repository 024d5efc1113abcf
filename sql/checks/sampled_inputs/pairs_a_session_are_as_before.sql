-- A session with a click gives as many pairs as over the 7 days before. It alarms only where either side has `least_sessions`
-- sessions with a click, the means differ by more than `deviations` standard errors (Welch's t, which lets the sides vary
-- differently: Welch, Biometrika 34, 1947; NIST/SEMATECH e-Handbook of Statistical Methods, 7.3.1), and one is more than
-- `times` the other. No history, no alarm.
-- To do: Ask what changed: the length of lists, texts that are missing, negative_downsampling_factor in the settings, the
-- logging of clicks. Days of very different weight in one training set favour the sessions with long lists.
-- parameters: least_sessions=100 in [0, inf], deviations=4.0 in [0, inf], times=1.5 in [1, inf]
-- warns; reads sampled_inputs, sampled_inputs of the 7 days before
with counted as (
    select true as is_today, count_objects(object_ids, item_ids, clicked) as positives,
        count_objects(object_ids, item_ids, kept) as objects
    from sampled_inputs
    where not is_irrelevant
    union all
    select false, count_objects(object_ids, item_ids, clicked), count_objects(object_ids, item_ids, kept)
    from sampled_inputs_before
    where not is_irrelevant
),
sessions as (select is_today, positives * (objects - positives) as pairs from counted where positives > 0),
sides as (
    select count(*) filter (is_today) as n, avg(pairs) filter (is_today) as mean, var_samp(pairs) filter (is_today) as variance,
        count(*) filter (not is_today) as n_before, avg(pairs) filter (not is_today) as mean_before,
        var_samp(pairs) filter (not is_today) as variance_before
    from sessions
)
select n as sessions_with_clicks, mean as pairs_a_session, n_before as sessions_with_clicks_before,
    mean_before as pairs_a_session_before,
    (mean - mean_before) / nullif(sqrt(variance / n + variance_before / n_before), 0) as deviations
from sides;

select *
from numbers
where least(sessions_with_clicks, sessions_with_clicks_before) >= $least_sessions
  /* Where nothing varies on either side, any difference is one. */
  and coalesce(abs(deviations) > $deviations, true)
  and greatest(pairs_a_session, pairs_a_session_before) > $times * least(pairs_a_session, pairs_a_session_before)
