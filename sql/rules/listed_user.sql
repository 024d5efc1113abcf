-- The user is in the list of users.
select session_id, format('its user is one of the {} in the list', len($users::varchar[])) as detail
from search_sessions
where user_id in (select unnest($users::varchar[]))
