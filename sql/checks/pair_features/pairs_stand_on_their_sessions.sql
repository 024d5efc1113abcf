-- A pair bears the query of its session. Its positive was clicked there; the negative was shown without a click and kept, in
-- the same session or, for a pairing with an irrelevant session, in an irrelevant one.
-- To do: Make the day of pair_features anew: its sampled_inputs changed since, or the pair was written by hand. Do not train
-- on it: a negative that was clicked teaches the opposite.
-- blocks; reads pair_features, sampled_inputs
with sessions as (
    select session_id, is_irrelevant, query_hash, object_ids, clicked, kept,
        /* Of no object one part stays and another goes: all stay, or none has two. */
        case
            when list_count(kept) = len(kept) and list_bool_and(kept) then true
            else coalesce(list_unique(object_ids) = len(object_ids), false)
        end as is_whole
    from sampled_inputs
),
/* Sessions that need not be looked at pair by pair. Take each id for a number below 2^31. If every clicked object x is paired
   with every kept one y that was not clicked, the pairs are as many as the one times the other, the sum of x * y is the sum of
   x times the sum of y, and so on. Other pairs agree with all of these by a chance below 1 in 2^62. */
expected as (
    select session_id, count(*) filter (clicked) as positives, count(*) filter (not clicked and kept) as negatives,
        coalesce(sum(id) filter (clicked), 0)::hugeint as x,
        coalesce(sum(id) filter (not clicked and kept), 0)::hugeint as y
    from (
        select session_id, (hash(unnest(object_ids)) >> 33)::bigint as id, unnest(clicked) as clicked, unnest(kept) as kept
        from sessions
        where is_whole and not is_irrelevant
    )
    group by session_id
),
made as (
    select session_id, count(*) as pairs, min(query_hash) as query_hash, max(query_hash) as last_query_hash,
        count(*) filter (positive_id is distinct from negative_id) as pairs_of_two,
        sum((hash(positive_id) >> 33)::bigint) as x, sum((hash(negative_id) >> 33)::bigint) as y,
        sum((hash(positive_id) >> 33)::bigint * (hash(negative_id) >> 33)::bigint) as xy
    from pair_features
    where pairing = 'session'
    group by session_id
),
sound as (
    select session_id
    from made as m
    join expected as e using (session_id)
    join (select session_id, any_value(query_hash) as query_hash from sampled_inputs group by session_id having count(*) = 1)
        as s using (session_id)
    where m.query_hash = s.query_hash
      and m.last_query_hash = s.query_hash
      and m.pairs = m.pairs_of_two
      and m.pairs = e.positives * e.negatives
      and m.x = e.x * e.negatives
      and m.y = e.y * e.positives
      and m.xy = e.x * e.y
),
pairs as (
    select session_id, query_hash, positive_id, negative_id, pairing
    from pair_features
    where pairing is distinct from 'session'
       or not coalesce(session_id in (select session_id from sound), false)
),
parts as (
    select session_id, is_irrelevant, query_hash, unnest(object_ids) as object_id, unnest(clicked) as clicked,
        unnest(kept) as kept
    from sessions
    where session_id in (select session_id from pairs)
       or (is_irrelevant and exists (from pairs where pairing = 'irrelevant'))
),
objects as (
    select session_id, object_id, any_value(is_irrelevant) as is_irrelevant, any_value(query_hash) as query_hash,
        bool_or(clicked) as clicked, bool_and(kept) as kept
    from parts
    group by session_id, object_id
),
strangers as (select distinct object_id from objects where is_irrelevant and not clicked and kept)
select p.session_id, p.positive_id, p.negative_id, p.pairing, positive.clicked as positive_clicked,
    p.query_hash = positive.query_hash as is_of_its_query,
    negative.clicked as negative_clicked, negative.kept as negative_kept
from pairs as p
left join objects as positive on positive.session_id = p.session_id and positive.object_id = p.positive_id
left join objects as negative on negative.session_id = p.session_id and negative.object_id = p.negative_id
where p.query_hash <> positive.query_hash
   or not coalesce(positive.clicked and not positive.is_irrelevant, false)
   or (p.pairing = 'session' and not coalesce(not negative.clicked and negative.kept, false))
   or (p.pairing = 'irrelevant' and p.negative_id not in (select object_id from strangers))
