-- The texts of one role that have to be encoded, the longest first: what does not fit into a device's memory shows at once, and
-- texts of like length make a batch. Reads missing (as text_vectors.sql finds them). Parameters: $role.
select role, text_hash, text
from missing
where role = $role
order by len(text) desc, text_hash
