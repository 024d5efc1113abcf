-- A sample of how far apart the ranks of pairs are, for a picture. Reads pairs (one day of a table of pairs).
select positive_rank - negative_rank as difference
from pairs
using sample reservoir(100000 rows) repeatable (1)
