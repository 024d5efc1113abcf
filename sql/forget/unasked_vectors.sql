-- The keys of vectors of query texts that no session asks.
-- Reads text_vectors, search_sessions.
select distinct role, text_hash
from text_vectors
where
    role = 'query'
    and text_hash not in (select text_hash(query_text) from search_sessions where query_text is not null)
