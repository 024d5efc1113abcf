-- Sessions whose result list is ready just as it was shown, how long it is, and which of it drew an event: mostly all sessions,
-- and whoever counts results need only take the others apart. What is ready of a list are those of its results that have a
-- text, each once and in their order (the check lists_are_as_shown blocks a day where it is not so): where as many are ready as
-- were shown, it is the same list. So lengths are compared, and no id of a result is.
-- Reads search_sessions, fine_tuning_inputs.
with shown as (
    select session_id, len(results) as results from search_sessions
),
ready as (
    select session_id, len(clicked) as results, clicked from fine_tuning_inputs
)
select session_id, results, clicked
from ready
join shown using (session_id, results)
