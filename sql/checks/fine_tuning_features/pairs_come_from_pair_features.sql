-- The clamp filters: it changes no value, adds no pair and drops none inside the window.
-- blocks; reads fine_tuning_features, pair_features
with wanted as (select * from pair_features where inside_window(positive_rank, negative_rank, $min, $max))
(select 'missing' as problem, * from (select * from wanted except all select * from fine_tuning_features))
union all
(select 'unexpected' as problem, * from (select * from fine_tuning_features except all select * from wanted))
