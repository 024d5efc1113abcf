-- Pairs with their words, at most one a session: the $count hardest and the $count nearest to the median margin. Words of people
-- are in it: only for those who ask. Reads pair_features, fine_tuning_inputs (the same days), items. Parameters: $count.
with margins as (
    select
        session_date, session_id, positive_id, negative_id, positive_rank, negative_rank,
        target * (positive_rank - negative_rank) as margin
    from pair_features
    where isfinite(positive_rank) and isfinite(negative_rank)
),
middle as (
    select median(margin) as margin from margins
),
distances as (
    select m.*, abs(m.margin - middle.margin) as from_middle
    from margins as m
    cross join middle
),
candidates as (
    select *, 'hardest' as sample, margin as nearness from distances
    union all
    select *, 'typical', from_middle from distances
),
one_a_session as (
    select * from candidates
    qualify row_number() over (partition by sample, session_id order by nearness, positive_id, negative_id) = 1
),
chosen as (
    select * from one_a_session
    qualify row_number() over (partition by sample order by nearness, session_id) <= $count
),
wanted as (
    select positive_id as object_id from chosen
    union
    select negative_id from chosen
),
-- an object is all its parts
texts as (
    select object_id, string_agg(text, ' / ' order by item_id) as text
    from items
    where object_id in (select object_id from wanted)
    group by object_id
)
select
    c.sample, c.session_date::varchar as session_date, i.query_text, p.text as positive_text, n.text as negative_text,
    c.positive_rank, c.negative_rank, c.margin
from chosen as c
join fine_tuning_inputs as i on i.session_id = c.session_id and i.session_date = c.session_date
left join texts as p on p.object_id = c.positive_id
left join texts as n on n.object_id = c.negative_id
order by c.sample, c.nearness, c.session_id
