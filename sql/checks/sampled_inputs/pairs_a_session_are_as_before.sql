-- A session with a click gives as many pairs as over the 7 days before. It alarms only where either side has `least_sessions`
-- sessions with a click, the means differ by more than `deviations` standard errors (Welch's t, which lets the sides vary
-- differently: Welch, Biometrika 34, 1947; NIST/SEMATECH e-Handbook of Statistical Methods, 7.3.1), and one is more than
-- `times` the other. No history, no alarm.
-- To do: Ask what changed: the length of lists, texts that are missing, negative_downsampling_factor in the settings, the
-- logging of clicks. Days of very different weight in one training set favour the sessions with long lists.
-- parameters: least_sessions=100 in [0, inf], deviations=4.0 in [0, inf], times=1.5 in [1, inf]
-- warns; reads sampled_inputs, sampled_inputs of the 7 days before;
-- through sampled_lists, pairs_of_sessions of the 7 days before
with of_sessions as (
    select positives * (objects - positives) as pairs from sampled_lists where not is_irrelevant and positives > 0
),
today as (select count(*) as n, coalesce(sum(pairs), 0) as pairs, coalesce(sum(pairs * pairs), 0) as squares from of_sessions),
before as (
    select coalesce(sum(sessions), 0) as n, coalesce(sum(pairs), 0) as pairs, coalesce(sum(squares), 0) as squares
    from pairs_of_sessions_before
),
sides as (
    select t.n, t.pairs / nullif(t.n, 0) as mean,
        (t.n * t.squares - t.pairs * t.pairs) / nullif(t.n * (t.n - 1), 0) as variance,
        b.n as n_before, b.pairs / nullif(b.n, 0) as mean_before,
        (b.n * b.squares - b.pairs * b.pairs) / nullif(b.n * (b.n - 1), 0) as variance_before
    from today as t, before as b
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
