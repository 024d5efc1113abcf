-- Between which values the ranks of pairs lie that all have two: the least and the greatest stand in the files' own statistics,
-- and no row is read (those leave out what is no number). Reads pairs.
select
    least(min(positive_rank), min(negative_rank)) as lowest_rank,
    greatest(max(positive_rank), max(negative_rank)) as highest_rank
from pairs
