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
    select session_id, is_irrelevant, query_hash, object_ids, clicked, kept,
        /* Lists are of one length and hold no null, and no object has two parts: then parts are counted for objects. */
        coalesce(
            not is_irrelevant
            and len(clicked) = len(object_ids)
            and len(kept) = len(object_ids)
            and list_count(object_ids) = len(object_ids)
            and list_count(clicked) = len(clicked)
            and list_count(kept) = len(kept)
            and not has_repeats(object_ids),
            false
        ) as is_simple
    from sampled_inputs
),
numbers as (
    select *, case when is_simple then list_transform(object_ids, lambda o: (hash(o) >> 33)::bigint) end as ids
    from lists
),
sides as (
    select session_id, is_irrelevant, query_hash,
        /* And what is clicked is kept: then those that are kept and not clicked are as many as the one less the other. */
        case
            when not is_simple then false
            when list_bool_and(kept) then true
            else coalesce(list_bool_and(list_where(kept, clicked)), true)
        end as is_simple,
        case when is_simple then list_where(ids, clicked) end as clicked,
        case when is_simple then list_where(ids, kept) end as kept
    from numbers
),
sessions as (
    select session_id, min(query_hash) as query_hash, count(*) = 1 and bool_and(is_simple) as is_simple,
        any_value(len(clicked)) as xs, any_value(coalesce(list_sum(clicked), 0)) as x,
        any_value(len(kept) - len(clicked)) as ys,
        any_value(coalesce(list_sum(kept), 0) - coalesce(list_sum(clicked), 0)) as y
    from sides
    group by session_id
    having not coalesce(bool_and(is_irrelevant), false)
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
full join made as m using (session_id)
where not coalesce(
    s.session_id is not null
    and s.is_simple
    and case
        when m.pairs is null then coalesce(s.xs * s.ys, 0) = 0
        else m.query_hash = s.query_hash
            and m.last_query_hash = s.query_hash
            and m.pairs = s.xs * s.ys
            and m.x = s.x * s.ys
            and m.y = s.y * s.xs
            and m.xy = s.x * s.y
            and m.x_number_y * s.ys = m.x_number * s.y
            and m.y_number_x * s.xs = m.y_number * s.x
    end,
    false
)
