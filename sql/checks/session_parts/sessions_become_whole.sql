-- No session that was asked, shown or acted on has lacked its words or its time for more than `days` days.
-- To do: Their query was never logged, or its time: see whether an export of queries is missing and land it. Nothing is lost
-- meanwhile; such sessions make no features.
-- parameters: days=7 in [0, 36500]
-- warns; reads session_parts, search_sessions
select session_id, max(ingested_at) as last_heard_of, count(query_text) as with_words
from session_parts
anti join search_sessions using (session_id)
group by session_id
having bool_or(is_worth_it) and max(ingested_at) < now() - to_days($days)
