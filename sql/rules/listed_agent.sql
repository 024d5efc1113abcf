-- The program that asked names itself as one in the list of agents: a pattern that is found anywhere in its name,
-- whether in capitals or not.
select session_id, format('its agent "{}" matches "{}"', user_agent, matches[1]) as detail
from (
    select session_id, user_agent, list_filter($agents::varchar[], lambda p: regexp_matches(user_agent, p, 'i')) as matches
    from search_sessions
)
where len(matches) > 0
