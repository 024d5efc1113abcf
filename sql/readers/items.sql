-- Rows for items, of the files that the table does not hold yet: one for each new or changed item.
select
    d.item_id,
    d.object_id,
    d.text,
    text_hash(d.text) as text_hash,
    f.source_file,
    f.ingested_at as updated_at
from item_decisions as d
inner join files as f using (file_number)
where d.disposition <> 'rejected' and d.is_last and d.is_news and not list_contains(f.held, 'items');
