-- Rows for rejected_records, of the files that the table does not hold yet: the line as it stood, once for each of
-- its entries that was refused.
select
    f.source_file,
    d.record_number,
    d.what as reason,
    d.detail,
    l.raw,
    f.ingested_at as ingested_at
from dispositions as d
inner join lines as l on d.file_number = l.file_number and d.record_number = l.record_number
inner join files as f on d.file_number = f.file_number
where d.disposition = 'rejected' and not list_contains(f.held, 'rejected_records');
