-- A day on which something was clicked has pairs.
-- To do: See why none was made: every result of these sessions was clicked, no not-event stayed (negative_downsampling_factor
-- is 0), or lists hold a single object.
-- warns; reads pair_features, sampled_inputs
select count(*) filter (not is_irrelevant and list_bool_or(clicked)) as sessions_with_clicks,
    (select count(*) from pair_features) as pairs
from sampled_inputs;

select *
from numbers
where sessions_with_clicks > 0
  and pairs = 0
