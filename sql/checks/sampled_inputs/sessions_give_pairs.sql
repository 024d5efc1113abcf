-- A session with a click gives `least` pairs or more in the mean, where `least_sessions` sessions of the day have one. (A
-- session gives its clicked objects times its kept not-events.)
-- To do: See how long the lists are (search_sessions) and how many results lost their text; raise negative_downsampling_factor
-- if it is low. Where people click most of what they see, event_types may name an event that is no choice.
-- parameters: least=1.0 in [0, inf], least_sessions=100 in [0, inf]
-- warns; reads sampled_inputs; through sampled_lists
select count(*) as sessions_with_clicks, coalesce(sum(positives * (objects - positives)), 0)::bigint as pairs,
    avg(positives * (objects - positives)) as pairs_a_session
from sampled_lists
where not is_irrelevant
  and positives > 0;

select *, $least as least
from numbers
where sessions_with_clicks >= $least_sessions
  and pairs_a_session < $least
