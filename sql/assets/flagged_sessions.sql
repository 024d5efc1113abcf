-- What the rules flagged, each session once a rule.
-- Reads flags. Parameters: $session_date.
select session_id, $session_date::date as session_date, rule, is_enforced, detail
from flags
order by rule, session_id
