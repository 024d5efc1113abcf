-- A session that is not irrelevant has as many pairs as clicked objects times kept not-event objects.
-- To do: Make the day of pair_features anew. If it comes back, pairs are lost or doubled on the way: do not train on the day,
-- and report it with the sessions shown.
-- blocks; reads pair_features, sampled_inputs; through doubtful_sessions
with parts as (
    select s.session_id, unnest(s.object_ids) as object_id, unnest(s.clicked) as clicked, unnest(s.kept) as kept
    from sampled_inputs as s
    semi join doubtful_sessions as d on d.session_id is not distinct from s.session_id
    where not s.is_irrelevant
),
objects as (
    select session_id, object_id, bool_or(clicked) as clicked, bool_and(kept) as kept
    from parts
    group by session_id, object_id
),
expected as (
    select session_id, count(*) filter (clicked) as positives, count(*) filter (not clicked and kept) as negatives
    from objects
    group by session_id
),
made as (
    select p.session_id, count(*) as pairs
    from pair_features as p
    semi join doubtful_sessions as d on d.session_id is not distinct from p.session_id
    where p.pairing = 'session'
    group by p.session_id
),
both_sides as (
    select session_id, positives, negatives, coalesce(positives * negatives, 0) as expected, coalesce(pairs, 0) as pairs
    from expected
    full join made using (session_id)
)
select *
from both_sides
where pairs <> expected
order by session_id
