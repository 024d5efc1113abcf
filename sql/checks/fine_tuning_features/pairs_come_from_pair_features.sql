-- The clamp filters: it changes no value, adds no pair and drops none inside the window.
-- To do: Make the day of fine_tuning_features anew: it is older or younger than its pair_features, or was written by hand.
-- problem says which pairs are missing and which are too many.
-- blocks; reads fine_tuning_features, pair_features; through days_of_pairs
with wanted as not materialized (from pair_features where inside_window(positive_rank, negative_rank, $min, $max)),
/* Either table as a bag of 64-bit row hashes. First the bags of the day; if they differ, those of its sessions; and row by row
   only sessions that differ. */
differing_days as (
    select session_date
    from (from days_of_pairs where not is_kept) as extracted
    full join (from days_of_pairs where is_kept) as stored using (session_date)
    where coalesce(extracted.pairs - extracted.outside, 0) <> coalesce(stored.pairs, 0)
       or extracted.hashes is distinct from stored.hashes
),
hashes as (
    select session_id, 1 as side, hash(*columns(*)) as hash from wanted semi join differing_days using (session_date)
    union all
    select session_id, -1, hash(*columns(*)) from fine_tuning_features semi join differing_days using (session_date)
),
differing as (
    select session_id from hashes group by session_id having sum(side) <> 0 or sum(side * hash::hugeint) <> 0
),
these_wanted as (select w.* from wanted as w semi join differing as d on w.session_id is not distinct from d.session_id),
these_stored as (
    select f.* from fine_tuning_features as f semi join differing as d on f.session_id is not distinct from d.session_id
)
(select 'missing' as problem, * exclude (session_date, query_hash) from (from these_wanted except all from these_stored))
union all
(select 'unexpected' as problem, * exclude (session_date, query_hash) from (from these_stored except all from these_wanted))
