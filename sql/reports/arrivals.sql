-- The books of every file, added up. Reads ingested_files.
select
    count(*)::bigint as files,
    count(copy_of)::bigint as copies,
    coalesce(sum(bytes), 0)::bigint as bytes,
    coalesce(sum(records), 0)::bigint as records,
    coalesce(sum(accepted), 0)::bigint as accepted,
    coalesce(sum(duplicate), 0)::bigint as duplicate,
    coalesce(sum(no_interest), 0)::bigint as no_interest,
    coalesce(sum(rejected), 0)::bigint as rejected
from ingested_files
