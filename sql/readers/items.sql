-- Rows for items: one for each new or changed item.
select
    d.item_id,
    d.object_id,
    d.text,
    text_hash(d.text) as text_hash,
    f.source_file,
    f.ingested_at as updated_at
from item_decisions as d
inner join files as f using (file_number)
where d.fate <> 'rejected' and d.is_last and d.is_news;
