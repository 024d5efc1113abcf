-- How many texts have to be encoded, by role, and how many characters they have. Reads missing.
select role, count(*) as texts, sum(len(text) + 1)::bigint as characters
from missing
group by role
