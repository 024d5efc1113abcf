-- One user caused more events within a minute, whenever it began, than a person makes. Where no user is known it is the
-- visit that counts, else the session. All that user's sessions of the day are flagged.
-- parameters: limit=60
with actors as (
    select
        session_id,
        case when user_id is not null then 'user' when visit_id is not null then 'visit' else 'session' end as kind,
        coalesce(user_id, visit_id, session_id) as actor
    from search_sessions
),
-- Who caused no more events on the whole day has no such minute: mostly nobody is left to look at closely.
busy as (
    select kind, actor
    from actors
    join (select session_id, count(*) as events from session_events group by session_id) using (session_id)
    group by kind, actor
    having sum(events) > $limit
),
-- From the event backwards, so that some event's window is the fullest minute; its other end, 60 s before, is excluded.
minutes as (
    select
        kind,
        actor,
        count(*) over (
            partition by kind, actor
            order by occurred_at
            range between interval 59999999 microseconds preceding and current row
        ) as events
    from session_events
    join (from actors semi join busy using (kind, actor)) using (session_id)
),
busiest as (
    select kind, actor, max(events) as events
    from minutes
    group by kind, actor
    having max(events) > $limit
)
select session_id, format('{} events of its {} within a minute, above the limit of {}', events, kind, $limit::bigint) as detail
from actors
join busiest using (kind, actor)
