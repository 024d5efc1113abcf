-- asked_sessions -> known_sessions: those of them that the lake holds. Only narrow columns are read; of the days that
-- they name, all the rest can be read then (near_sessions).
create or replace temp table known_sessions as
select s.session_id, s.session_date, s.source_file
from search_sessions as s
semi join asked_sessions as a on s.session_id = a.session_id;
