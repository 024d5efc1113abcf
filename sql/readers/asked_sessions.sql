-- The sessions that this group says something of.
create or replace temp table asked_sessions as
select session_id from session_entries where session_id is not null
union all
select session_id from event_entries where session_id is not null;
