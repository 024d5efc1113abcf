-- Of the day's shown results at most the share `most` has no text in the catalogue, for which it is removed from its session.
-- To do: Land the texts of the items shown here (the most shown come first) with `ft-assets land --format items`: the days
-- that showed them are made anew by themselves. If the ids look like another shop's, the wrong catalogue was landed.
-- parameters: most=0.05 in [0, 1]
-- warns; reads fine_tuning_inputs, search_sessions, items; through shown_items
with books as (
    select sum(results) as results, sum(results) filter (where not has_text) as without_text from shown_items
)
select item_id, shown_items.results as shown, books.without_text as results_without_text, books.results as of_results
from shown_items, books
where not has_text and books.without_text > $most * books.results
order by shown desc, item_id
