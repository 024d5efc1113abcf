-- A pair bears the query of its session. Its positive was clicked there; the negative was shown without a click and kept, in
-- the same session or, for a pairing with an irrelevant session, in an irrelevant one.
-- To do: Make the day of pair_features anew: its sampled_inputs changed since, or the pair was written by hand. Do not train
-- on it: a negative that was clicked teaches the opposite.
-- blocks; reads pair_features, sampled_inputs; through doubtful_sessions
with pairs as (
    select p.session_id, p.query_hash, p.positive_id, p.negative_id, p.pairing
    from pair_features as p
    semi join doubtful_sessions as d on d.session_id is not distinct from p.session_id
    where p.pairing = 'session'
    union all
    select session_id, query_hash, positive_id, negative_id, pairing
    from pair_features
    where pairing is distinct from 'session'
),
parts as (
    select session_id, is_irrelevant, query_hash, unnest(object_ids) as object_id, unnest(clicked) as clicked,
        unnest(kept) as kept
    from sampled_inputs
    where session_id in (
        /* One row of them, which DuckDB takes for few: else it gathers all sessions first, and finds none of them here. */
        select unnest(list(distinct session_id)) from pairs
        union all
        select session_id from sampled_inputs where is_irrelevant and exists (from pairs where pairing = 'irrelevant')
    )
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
