-- Every session that is not irrelevant beside an irrelevant one, in order of time, the shorter list starting over at its
-- end; no rows if either list is empty. One that is neither (all its events were on results without a text) has no partner.
-- Reads sampled_inputs (one day).
with numbered as (
    select s as session, is_irrelevant, row_number() over (partition by is_irrelevant order by started_at, session_id) - 1 as place
    from sampled_inputs as s
    where is_irrelevant or list_bool_or(clicked)
),
lengths as (
    select count(*) filter (not is_irrelevant)::bigint as relevant, count(*) filter (is_irrelevant)::bigint as irrelevant
    from numbered
),
places as (
    select k, k % nullif(relevant, 0) as relevant_place, k % nullif(irrelevant, 0) as irrelevant_place
    from lengths, unnest(range(greatest(relevant, irrelevant))) as r(k)
)
select r.session as relevant, i.session as irrelevant
from places as p
join numbered as r on not r.is_irrelevant and r.place = p.relevant_place
join numbered as i on i.is_irrelevant and i.place = p.irrelevant_place
order by p.k
