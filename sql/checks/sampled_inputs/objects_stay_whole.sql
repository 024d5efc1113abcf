-- All parts of an object stay or go together, and every part of a clicked object stays.
-- To do: Make the day of sampled_inputs anew. If it comes back, the objects of its items changed in between: make
-- fine_tuning_inputs anew first.
-- blocks; reads sampled_inputs
/* Where no object has two parts and every clicked result stays, nothing can be wrong: such sessions, mostly all, are not
   looked at part by part. */
with sessions as (
    select session_id, object_ids, kept, clicked
    from sampled_inputs
    where session_id in (select session_id from sampled_inputs group by session_id having count(*) > 1)
       or list_unique(object_ids) is distinct from len(object_ids)
       or len(kept) is distinct from len(object_ids)
       or len(clicked) is distinct from len(object_ids)
       or len(list_filter(clicked, lambda c, i: c and not coalesce(kept[i], false))) > 0
),
parts as (
    select session_id, unnest(object_ids) as object_id, unnest(kept) as kept, unnest(clicked) as clicked
    from sessions
)
select session_id, object_id, count(*) as parts, count_if(kept) as kept, count_if(clicked) as clicked
from parts
group by session_id, object_id
having count_if(kept) not in (0, count(*))
    or (count_if(clicked) > 0 and count_if(kept) < count(*))
