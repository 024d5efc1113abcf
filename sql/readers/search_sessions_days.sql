-- Days that sessions touch: their own, and the one that they stood in before.
select started_at::date as day from session_rows
union
select previous_day from session_rows where previous_day is not null
order by day;
