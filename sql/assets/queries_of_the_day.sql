-- What the sessions of the day asked, each once, named by the first session that did. Reads sampled_inputs (one day).
select query_hash, min(session_id) as session_id
from sampled_inputs
group by query_hash
