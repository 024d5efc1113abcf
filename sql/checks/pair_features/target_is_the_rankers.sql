-- The target is one for the whole day and of the ranker's sign: 1 where higher is nearer (cosine, dot), -1 where lower is
-- (euclidean).
-- To do: Make the day of pair_features anew. With the wrong sign a loss pushes positives away: do not train on these pairs.
-- blocks; reads pair_features
select session_id, positive_id, negative_id, target, $target as target_of_ranker
from pair_features
where target = -$target /* what is neither, values_are_in_range shows. */
