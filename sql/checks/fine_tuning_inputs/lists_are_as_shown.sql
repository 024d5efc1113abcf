-- A session's list is the one that was shown: every item of it that has a text, once, at its first place, in order, with the
-- engine's rank. Its words, their hash and its time are those of the log.
-- To do: Make the day anew. If it comes back, compare the session with its row of search_sessions; differs says in what.
-- Nothing was learnt from such a list as people saw it: do not train on the day, and report it.
-- blocks; reads fine_tuning_inputs, search_sessions as read, items as read; through session_lists, shown_items as read
with texts as (select item_id from items_as_read where text_hash is not null),
log as (
    select session_id,
        hash(
            list_transform(results, lambda r: r.item_id), list_transform(results, lambda r: r.rank),
            query_text, started_at, session_date
        ) as shown
    from search_sessions_as_read
),
/* Nearly every list is the log's as it is, which a hash of 64 bits tells. Only the others are put together once more. */
looked_at as (
    select session_id
    from session_lists as i
    join log as s using (session_id)
    where i.shown <> s.shown or i.has_repeats or not i.is_aligned or not i.has_no_null or not i.has_hash
    union
    /* Of lists that are the log's, those with an item that the log shows and that has no text. */
    select session_id
    from (select session_id, unnest(item_ids) as item_id from fine_tuning_inputs)
    where item_id in (select item_id from shown_items_as_read where not has_text)
),
logged as (
    select s.session_id, s.results, list_transform(s.results, lambda r: r.item_id) as shown, s.query_text, s.session_date,
        s.started_at
    from search_sessions_as_read as s
    semi join looked_at using (session_id)
),
removed as (
    select session_id, list(item_id) as items
    from (select session_id, unnest(shown) as item_id from logged)
    where item_id not in (from texts)
    group by session_id
),
once as (
    select l.* exclude (results, shown), coalesce(r.items, []) as items,
        case
            when len(list_distinct(shown)) < len(shown)
                then list_filter(results, lambda result, place: list_position(shown, result.item_id) = place)
            else results
        end as results
    from logged as l
    left join removed as r using (session_id)
),
expected as (
    select *,
        case
            when len(items) > 0 then list_filter(results, lambda result: not list_contains(items, result.item_id))
            else results
        end as list
    from once
),
compared as (
    select session_id, i.item_ids, list_transform(e.list, lambda r: r.item_id) as expected_item_ids, i.ranks,
        list_transform(e.list, lambda r: r.rank) as expected_ranks, i.query_text is distinct from e.query_text as other_words,
        i.query_hash is distinct from text_hash(i.query_text) as other_hash,
        i.started_at is distinct from e.started_at or i.session_date is distinct from e.session_date as other_time
    from fine_tuning_inputs as i
    join expected as e using (session_id)
)
select session_id,
    list_filter(
        [
            case when item_ids is distinct from expected_item_ids then 'item_ids' end,
            case when ranks is distinct from expected_ranks then 'ranks' end,
            case when other_words then 'query_text' end,
            case when other_hash then 'query_hash' end,
            case when other_time then 'started_at or session_date' end
        ],
        lambda name: name is not null
    ) as differs,
    item_ids, expected_item_ids, ranks, expected_ranks
from compared
where item_ids is distinct from expected_item_ids
   or ranks is distinct from expected_ranks
   or other_words
   or other_hash
   or other_time
order by session_id
