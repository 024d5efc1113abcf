-- Where confidences are constant, every one is 1. (Windowed ones are computed anew of a sample: a_sample_is_computed_anew.)
-- To do: Make the day of pair_features anew. If it comes back, report it: the confidences are those of other settings.
-- blocks; reads pair_features
select session_id, positive_id, negative_id, positive_confidence, negative_confidence, $confidence as confidence
from pair_features
where $confidence = 'constant'
  and (positive_confidence <> 1 or negative_confidence <> 1)
