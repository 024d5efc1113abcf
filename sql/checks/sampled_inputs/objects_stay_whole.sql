-- All parts of an object stay or go together, and every part of a clicked object stays.
-- To do: Make the day of sampled_inputs anew. If it comes back, the objects of its items changed in between: make
-- fine_tuning_inputs anew first.
-- blocks; reads sampled_inputs; through sampled_lists
/* Where every result stays, nothing can be wrong: such sessions are not looked at part by part. */
with thinned as (select session_id from sampled_lists where not is_whole),
parts as (
    select session_id, unnest(object_ids) as object_id, unnest(kept) as kept, unnest(clicked) as clicked
    from sampled_inputs
    where session_id in (select session_id from thinned)
)
select session_id, object_id, count(*) as parts, count(*) filter (kept) as kept, count(*) filter (clicked) as clicked
from parts
group by session_id, object_id
having count(*) filter (kept) not in (0, count(*))
    or (count(*) filter (clicked) > 0 and count(*) filter (kept) < count(*))
