-- The texts that have to be encoded, each once and in its role. Reads wanted (their roles and hashes), sampled_inputs (one day),
-- items.
select 'query' as role, query_hash as text_hash, any_value(query_text) as text
from sampled_inputs
where query_hash in (select text_hash from wanted where role = 'query')
group by query_hash
union all
select 'item', text_hash, any_value(text)
from items
where text_hash in (select text_hash from wanted where role = 'item')
group by text_hash
