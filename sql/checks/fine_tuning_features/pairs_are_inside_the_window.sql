-- min < |positive_rank - negative_rank| < max, both strict, compared in float32.
-- blocks; reads fine_tuning_features
select session_id, positive_id, negative_id, positive_rank, negative_rank,
    abs(positive_rank - negative_rank) as difference, $min as min, $max as max
from fine_tuning_features
where not inside_window(positive_rank, negative_rank, $min, $max)
