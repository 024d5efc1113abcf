-- Ranks are finite, confidences lie in [0, 1], the target is 1 or -1, the pairing is a known one.
-- To do: Make the day of pair_features anew, and then this one: a value was spoilt on its way into storage.
-- blocks; reads fine_tuning_features
select session_id, positive_id, negative_id, positive_rank, negative_rank, target, positive_confidence, negative_confidence,
    pairing
from fine_tuning_features
/* isfinite also of confidences: DuckDB trusts a file's least and greatest value, which leave NaN out. */
where not isfinite(positive_rank)
   or not isfinite(negative_rank)
   or not isfinite(positive_confidence)
   or not isfinite(negative_confidence)
   or not positive_confidence between 0 and 1
   or not negative_confidence between 0 and 1
   or target not in (1, -1)
   or pairing not in ('session', 'irrelevant')
