-- text_hash is the hash of the text: otherwise a text would get another's vector.
-- blocks; reads items
select item_id, text_hash, text_hash(text) as expected
from items
where text_hash is distinct from text_hash(text)
