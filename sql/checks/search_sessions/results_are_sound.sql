-- Every result names an item, an item stands once in its list, and a rank is a finite number or none.
-- To do: The log's tables stop every day until they are mended. A program other than an ingestion wrote here, for an ingestion
-- refuses such a list: delete the row and land its source_file again under another name.
-- blocks; reads search_sessions
with lists as (
    select session_id, session_date, source_file, list_transform(results, lambda r: r.item_id) as item_ids,
        list_transform(results, lambda r: r.rank) as ranks
    from search_sessions
)
select session_id, session_date, source_file, len(item_ids) as results,
    len(list_filter(item_ids, lambda i: coalesce(i, '') = '')) as without_item,
    list_count(item_ids) - len(list_distinct(item_ids)) as repeated,
    len(list_filter(ranks, lambda r: not isfinite(r))) as ranks_not_finite
from lists
where list_count(item_ids) < len(item_ids)
   or list_contains(item_ids, '')
   or has_repeats(item_ids)
   or len(list_filter(ranks, lambda r: not isfinite(r))) > 0
