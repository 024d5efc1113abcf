-- The program that asked names itself as one in the list of agents: a pattern that is found anywhere in its name,
-- whether in capitals or not.
with agents as materialized (select distinct user_agent from search_sessions where user_agent is not null),
/* Each name once, hence materialized: a pattern that is no constant is compiled for every row. */
named as materialized (
    select user_agent, list_filter($agents::varchar[], lambda p: regexp_matches(user_agent, p, 'i')) as matches
    from agents
)
select session_id, format('its agent "{}" matches "{}"', user_agent, matches[1]) as detail
from search_sessions
join named using (user_agent)
where len(matches) > 0
