-- A positive scores nearer than its negative in at least the share `least` of pairs, ties counted half: the mean over sessions
-- of each one's share (the area under its ROC curve: Hanley and McNeil, Radiology 143, 1982). Pairs of a session hang
-- together, so sessions are what is counted: it alarms where `least_sessions` have pairs and the mean lies more than
-- `deviations` standard errors below `least`.
-- To do: Below one half the model is worse than chance on what people clicked. See whether texts are those of the items
-- (items), whether the prompts are the model's own, and click rates by position: people may click what is at hand and not what
-- is near. A model before fine-tuning may well stand near 0.5.
-- parameters: least=0.5 in [0, 1], least_sessions=50 in [0, inf], deviations=3.0 in [0, inf]
-- warns; reads pair_features
with sessions as (
    select session_id, count(*) as pairs, avg((sign(target * (positive_rank - negative_rank)) + 1) / 2) as share
    from pair_features
    group by session_id
)
select count(*) as sessions, coalesce(sum(pairs), 0)::bigint as pairs, avg(share) as share_ordered_right,
    stddev_samp(share) / sqrt(count(*)) as standard_error
from sessions;

select *, $least as least
from numbers
where sessions >= $least_sessions
  and share_ordered_right + $deviations * standard_error < $least
