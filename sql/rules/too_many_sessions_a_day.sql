-- One user asked more queries in a day than a person does. Sessions whose user is not known are not counted.
-- parameters: limit=1000
with users as (
    select user_id, count(*) as sessions
    from search_sessions
    where user_id is not null
    group by user_id
    having count(*) > $limit
)
select session_id, format('{} sessions of its user on this day, above the limit of {}', sessions, $limit::bigint) as detail
from search_sessions
join users using (user_id)
