-- A day's sessions in a fixed order: storage keeps none, for its writer shares batches out among cores.
-- Reads sessions (a day of fine_tuning_inputs or sampled_inputs).
from sessions
order by started_at, session_id
