-- Where irrelevant sessions are let in, each is paired with one that is not, both in order of time, the shorter list starting
-- over: the first positive with the first not-event, the second with the second, to the end of the shorter. Where they are
-- left out, there is no such pair.
-- To do: Make the day of pair_features anew. If it comes back, report it with the rows shown: problem says which pairs are
-- missing and which are too many.
-- blocks; reads pair_features, sampled_inputs
with sessions as (from sampled_inputs where not $not_irrelevant_only::boolean),
parts as (
    select session_id, unnest(object_ids) as object_id, generate_subscripts(object_ids, 1) as position,
        unnest(clicked) as clicked, unnest(kept) as kept
    from sessions
),
objects as (
    select session_id, object_id, min(position) as position, bool_or(clicked) as clicked, bool_and(kept) as kept
    from parts
    group by session_id, object_id
),
sides as (
    select session_id, object_id, clicked, row_number() over (partition by session_id, clicked order by position) as place
    from objects
    where kept
),
numbered as (
    select session_id, is_irrelevant, row_number() over (partition by is_irrelevant order by started_at, session_id) - 1 as turn
    from sessions
    where is_irrelevant or list_bool_or(clicked)
),
lengths as (
    select count(*) filter (not is_irrelevant)::bigint as relevant, count(*) filter (is_irrelevant)::bigint as irrelevant
    from numbered
),
turns as (
    select k % nullif(relevant, 0) as relevant_turn, k % nullif(irrelevant, 0) as irrelevant_turn
    from lengths, unnest(range(greatest(relevant, irrelevant))) as r(k)
),
partners as (
    select r.session_id as relevant, i.session_id as irrelevant
    from turns as t
    join numbered as r on not r.is_irrelevant and r.turn = t.relevant_turn
    join numbered as i on i.is_irrelevant and i.turn = t.irrelevant_turn
),
expected as (
    select p.relevant as session_id, positive.object_id as positive_id, negative.object_id as negative_id
    from partners as p
    join sides as positive on positive.session_id = p.relevant and positive.clicked
    join sides as negative
        on negative.session_id = p.irrelevant and not negative.clicked and negative.place = positive.place
),
made as (select session_id, positive_id, negative_id from pair_features where pairing = 'irrelevant')
(select 'missing' as problem, * from (from expected except all from made))
union all
(select 'unexpected' as problem, * from (from made except all from expected))
