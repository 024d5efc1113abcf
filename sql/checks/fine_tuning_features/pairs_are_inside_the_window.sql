-- min < |positive_rank - negative_rank| < max, both strict, compared in float32.
-- To do: Make the day of fine_tuning_features anew. If the pairs are back, the window in its configuration is not the one that
-- its query was given: report it.
-- blocks; reads fine_tuning_features
select session_id, positive_id, negative_id, positive_rank, negative_rank,
    abs(positive_rank - negative_rank) as difference, $min as min, $max as max
from fine_tuning_features
where not inside_window(positive_rank, negative_rank, $min, $max)
