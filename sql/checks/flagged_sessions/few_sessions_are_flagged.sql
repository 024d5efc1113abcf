-- At most the share `most` of sessions is flagged, in shadow mode or enforced: above that either the log or a rule needs a
-- look.
-- To do: See in flagged_sessions which rule flags them and why: either bots came, and the rule should be enforced, or its
-- limit is too low for your users (ops: flagged_sessions: config: parameters).
-- parameters: most=0.1 in [0, 1]
-- warns; reads flagged_sessions, search_sessions
select rule, is_enforced, count(*) as sessions, (select count(*) from search_sessions) as of_sessions
from flagged_sessions
where (select count(distinct session_id) from flagged_sessions) > $most * (select count(*) from search_sessions)
group by rule, is_enforced
order by sessions desc
