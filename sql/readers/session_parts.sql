-- Rows for session_parts: what this group learnt of sessions whose log is scattered.
select
    p.* exclude (file_number, record_number),
    f.source_file,
    f.ingested_at as ingested_at
from new_parts as p
inner join files as f using (file_number);
