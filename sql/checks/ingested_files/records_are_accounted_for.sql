-- Every record of a landed file is accounted for: read = accepted + duplicate + of no interest + rejected, in total and by
-- kind.
-- To do: The log's tables stop every day until they are mended. Records of this file are lost or counted twice. Ingest the
-- landing place into a fresh lake, and report the file with its format.
-- blocks; reads ingested_files
select source_file, landed_as, records, accepted, duplicate, no_interest, rejected, lines, blank, headers
from ingested_files
where
    records is distinct from accepted + duplicate + no_interest + rejected
    or accepted is distinct from coalesce(list_sum(list_transform(list_filter(fates, lambda f: f.fate = 'accepted'), lambda f: f.records)), 0)
    or duplicate is distinct from coalesce(list_sum(list_transform(list_filter(fates, lambda f: f.fate = 'duplicate'), lambda f: f.records)), 0)
    or no_interest is distinct from coalesce(list_sum(list_transform(list_filter(fates, lambda f: f.fate = 'no_interest'), lambda f: f.records)), 0)
    or rejected is distinct from coalesce(list_sum(list_transform(list_filter(fates, lambda f: f.fate = 'rejected'), lambda f: f.records)), 0)
    -- a line that is neither blank nor a header holds a record at least.
    or records < lines - blank - headers
