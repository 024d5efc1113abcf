-- A day of `least_sessions` sessions or more has an event of a positive type.
-- To do: Nobody clicked, or clicks are not logged: see the day in session_events, then event_types in the settings (ops:
-- fine_tuning_inputs: config), which may name none that this log uses. Land what is missing; the day is made anew by itself.
-- parameters: least_sessions=50 in [1, inf]
-- warns; reads fine_tuning_inputs; through session_lists
select count(*) as sessions, count(*) filter (has_click) as sessions_with_clicks
from session_lists;

select *, $event_types as positive_types
from numbers
where sessions >= $least_sessions
  and sessions_with_clicks = 0
