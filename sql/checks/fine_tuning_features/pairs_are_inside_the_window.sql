-- min < |positive_rank - negative_rank| < max, both strict, compared in float32.
-- To do: Make the day of fine_tuning_features anew. If the pairs are back, the window in its configuration is not the one that
-- its query was given: report it.
-- blocks; reads fine_tuning_features, pair_features; through days_of_pairs
with looked_at as (
    select f.*
    from fine_tuning_features as f
    semi join (select session_date from days_of_pairs where is_kept and outside > 0) as d using (session_date)
    offset 0 /* Else DuckDB asks the rule of all pairs, and then looks up whether any has to be asked. */
)
select session_id, positive_id, negative_id, positive_rank, negative_rank,
    abs(positive_rank - negative_rank) as difference, $min as min, $max as max
from looked_at
where not inside_window(positive_rank, negative_rank, $min, $max)
