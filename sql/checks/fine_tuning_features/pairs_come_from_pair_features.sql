-- The clamp filters: it changes no value, adds no pair and drops none inside the window.
-- To do: Make the day of fine_tuning_features anew: it is older or younger than its pair_features, or was written by hand.
-- problem says which pairs are missing and which are too many.
-- blocks; reads fine_tuning_features, pair_features
with wanted as (select * from pair_features where inside_window(positive_rank, negative_rank, $min, $max))
(select 'missing' as problem, * exclude (session_date, query_hash)
 from (from wanted except all from fine_tuning_features))
union all
(select 'unexpected' as problem, * exclude (session_date, query_hash)
 from (from fine_tuning_features except all from wanted))
