-- How many of the day's sessions the rules flagged, in either mode. Reads search_sessions (one day), flags.
select
    (select count(*) from search_sessions) as sessions_read,
    (select count(distinct session_id) from flags) as sessions_flagged,
    (select count(distinct session_id) from flags where is_enforced) as sessions_enforced
