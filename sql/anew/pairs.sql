-- The pairs that a sample's sessions make of their own. Reads sample, pair_features.
select session_id, positive_id, negative_id, positive_rank, negative_rank, positive_confidence, negative_confidence
from pair_features
semi join sample using (session_id)
where pairing = 'session'
