-- How often each place of the page was shown and clicked, of the results that have a text.
-- reads fine_tuning_inputs, search_sessions
with lengths as (
    select session_id, clicked, len(clicked) = shown as is_whole
    from fine_tuning_inputs
    join (select session_id, len(results) as shown from search_sessions) using (session_id)
),
/* Where nothing was removed, a result's place in the list is its place on the page. Which items stand there is not read. */
thinned as (select session_id from lengths where not is_whole),
lists as (
    select item_ids, clicked, list_transform(results, lambda r: r.item_id) as shown
    from fine_tuning_inputs
    join search_sessions using (session_id)
    where session_id in (from thinned)
      and len(clicked) <> len(results)
),
pages as (
    select clicked as clicks from lengths where is_whole
    union all
    select list_transform(
        shown,
        lambda item, place: case
            when list_position(shown, item) = place then clicked[list_position(item_ids, item)]
        end
    )
    from lists
),
places as (select unnest(clicks) as clicked, generate_subscripts(clicks, 1) as position from pages)
select position, count(*) as shown, count(*) filter (clicked) as clicks
from places
where clicked is not null /* a result without a text has its place, and is not counted. */
group by position
