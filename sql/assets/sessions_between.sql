-- A run of a day's sessions in their fixed order: from one of them on, and before another.
-- Reads sessions (a day of sampled_inputs). Parameters: $kind (all, relevant, irrelevant), $from_at, $from_id, $to_at, $to_id.
from sessions
where started_at >= $from_at and (started_at > $from_at or session_id >= $from_id)
    and started_at <= $to_at and (started_at < $to_at or session_id < $to_id)
    and ($kind = 'all' or is_irrelevant = ($kind = 'irrelevant') and (is_irrelevant or list_bool_or(clicked)))
order by started_at, session_id
