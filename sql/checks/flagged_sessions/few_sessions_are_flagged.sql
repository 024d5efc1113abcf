-- At most one session in ten is flagged, in shadow mode or enforced: above that either the log or a rule needs a look.
-- warns; reads flagged_sessions, search_sessions
select rule, is_enforced, count(*) as sessions, (select count(*) from search_sessions) as of_sessions,
    any_value(detail) as example
from flagged_sessions
where (select count(distinct session_id) from flagged_sessions) > 0.1 * (select count(*) from search_sessions)
group by rule, is_enforced
order by sessions desc
