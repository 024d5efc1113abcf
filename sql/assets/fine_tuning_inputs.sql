-- Of sessions in order of time, those that no enforced rule flags, with the hashes of their queries; `joining` makes of them,
-- their lists and their events the sessions that are ready to use.
-- What is joined here is one row a session: results are joined with their texts and events in Arrow, on codes.
-- Reads sessions (of one day, numbered), flagged_sessions (one day).
select place, text_hash(query_text) as query_hash
from sessions
where session_id not in (select session_id from flagged_sessions where is_enforced)
order by place
