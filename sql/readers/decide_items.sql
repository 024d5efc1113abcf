-- item_entries -> item_decisions: a changed item is news, the same again is a duplicate; the last of the group stands.

create or replace temp table item_decisions as
with standing as (
    select i.item_id, i.object_id, i.text
    from items as i
    semi join item_entries as e on i.item_id = e.item_id
),

placed as (
    select
        e.* exclude (reason, detail),
        coalesce(lag(e.object_id) over in_order, s.object_id) as previous_object,
        coalesce(lag(e.text) over in_order, s.text) as previous_text,
        row_number() over (partition by e.item_id order by e.file_number desc, e.record_number desc) = 1 as is_last,
        -- a change and its revocation in one group leave the catalogue as it was.
        (e.object_id, e.text) is distinct from (s.object_id, s.text) as is_news,
        s.item_id is null or e.object_id is distinct from s.object_id as is_regrouped
    from item_entries as e
    left join standing as s on e.item_id = s.item_id
    where e.reason is null
    window in_order as (partition by e.item_id order by e.file_number, e.record_number)
)

select
    * exclude (previous_object, previous_text),
    case
        when (object_id, text) is distinct from (previous_object, previous_text) then 'accepted' else 'duplicate'
    end as fate,
    'items' as kind,
    null::varchar as detail
from placed
union all
select * exclude (reason, detail), false, false, false, 'rejected', reason, detail
from item_entries
where reason is not null;
