-- The sessions whose own pairs have to be looked at one by one. Of the others, sums tell that their pairs are those of every
-- clicked object with every kept one that was not clicked, each pair once, bear the query of the session, and have one rank and
-- one confidence for an object.
-- reads pair_features, sampled_inputs
/* Take each id for a number below 2^31, made of its hash. If every clicked object x is paired with every kept one y that was not
   clicked, the pairs are as many as the one times the other, the sum of x * y is the sum of x times the sum of y, and so on.
   Other pairs agree with all of these by a chance below 1 in 2^60. In the same way take an object with its rank and confidence
   for a number: if that is the same in every pair of a positive, whatever the y, the sum of number * y, times the count of y, is
   the sum of numbers times the sum of y; and the other way round for negatives. An object of two ranks passes by a chance of
   about 1 in 2^31. */
with lists as (
    select session_id, is_irrelevant, query_hash, clicked, kept,
        case when not is_irrelevant then list_transform(object_ids, lambda o: (hash(o) >> 33)::bigint) end as ids,
        /* Lists are of one length, and no object has two parts: then parts are counted for objects. */
        coalesce(len(clicked) = len(ids) and len(kept) = len(ids) and list_unique(ids) = len(ids), false) as is_simple
    from sampled_inputs
),
sessions as (
    select session_id, min(query_hash) as query_hash, count(*) = 1 and bool_and(is_simple) as is_simple
    from lists
    group by session_id
    having not coalesce(bool_and(is_irrelevant), false)
),
expected as (
    select session_id, count(*) filter (clicked) as xs, count(*) filter (not clicked and kept) as ys,
        coalesce(sum(id) filter (clicked), 0) as x, coalesce(sum(id) filter (not clicked and kept), 0) as y
    from (
        select session_id, unnest(ids) as id, unnest(clicked) as clicked, unnest(kept) as kept
        from lists
        where is_simple
    )
    group by session_id
),
pairs as (
    select session_id, query_hash, (hash(positive_id) >> 33)::bigint as x, (hash(negative_id) >> 33)::bigint as y,
        (hash(positive_id, positive_rank, positive_confidence) >> 33)::bigint as x_number,
        (hash(negative_id, negative_rank, negative_confidence) >> 33)::bigint as y_number
    from pair_features
    where pairing = 'session'
),
made as (
    select session_id, min(query_hash) as query_hash, max(query_hash) as last_query_hash,
        count(*) as pairs, sum(x) as x, sum(y) as y, sum(x * y) as xy,
        sum(x_number) as x_number, sum(x_number * y) as x_number_y, sum(y_number) as y_number, sum(y_number * x) as y_number_x
    from pairs
    group by session_id
)
select session_id
from sessions as s
left join expected as e using (session_id)
full join made as m using (session_id)
where not coalesce(
    s.session_id is not null
    and s.is_simple
    and case
        when m.pairs is null then coalesce(e.xs * e.ys, 0) = 0
        else m.query_hash = s.query_hash
            and m.last_query_hash = s.query_hash
            and m.pairs = e.xs * e.ys
            and m.x = e.x * e.ys
            and m.y = e.y * e.xs
            and m.xy = e.x * e.y
            and m.x_number_y * e.ys = m.x_number * e.y
            and m.y_number_x * e.xs = m.y_number * e.x
    end,
    false
)
