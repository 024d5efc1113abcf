-- A refused record touches no day.
select null::date as day where false;
