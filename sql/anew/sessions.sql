-- A sample of the day's sessions that make pairs, the same whenever it is asked for. Reads sampled_inputs. Parameters: $sessions.
with chosen as (
    select session_id
    from sampled_inputs
    where not is_irrelevant
      and list_bool_or(clicked)
    order by md5(session_id)
    limit $sessions::bigint
)
select session_id, query_hash, item_ids, object_ids, ranks, clicked
from sampled_inputs
where not is_irrelevant
  and list_bool_or(clicked)
  and session_id in (from chosen)
