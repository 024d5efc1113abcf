-- The positive was clicked in its session; the negative was shown without a click and kept, in the same session or, for
-- a pairing with an irrelevant session, in an irrelevant one.
-- blocks; reads pair_features, sampled_inputs
with parts as (
    select session_id, is_irrelevant, unnest(object_ids) as object_id, unnest(clicked) as clicked, unnest(kept) as kept
    from sampled_inputs
),
objects as (
    select session_id, object_id, any_value(is_irrelevant) as is_irrelevant, bool_or(clicked) as clicked,
        bool_and(kept) as kept
    from parts
    group by session_id, object_id
),
strangers as (select distinct object_id from objects where is_irrelevant and not clicked and kept)
select p.session_id, p.positive_id, p.negative_id, p.pairing, positive.clicked as positive_clicked,
    negative.clicked as negative_clicked, negative.kept as negative_kept
from pair_features as p
left join objects as positive on positive.session_id = p.session_id and positive.object_id = p.positive_id
left join objects as negative on negative.session_id = p.session_id and negative.object_id = p.negative_id
where not coalesce(positive.clicked and not positive.is_irrelevant, false)
   or (p.pairing = 'session' and not coalesce(not negative.clicked and negative.kept, false))
   or (p.pairing = 'irrelevant' and p.negative_id not in (select object_id from strangers))
