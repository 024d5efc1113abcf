-- What sampled_sessions says where every item is its own object: its results are counted, and no id is read.
-- Reads sampled_inputs.
select
    session_id, session_date, is_irrelevant,
    len(list_filter(clicked, lambda c: c)) as events,
    len(clicked) - events as not_events,
    case
        when list_contains(kept, false) then len(list_filter(kept, lambda k, i: k or clicked[i])) - events
        else not_events
    end as not_events_kept
from sampled_inputs
