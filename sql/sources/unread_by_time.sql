-- How many rows no window holds, for want of a watermark, and how many wait for their time.
select
    count(*) filter (where "<watermark>" is null or "<watermark>" in ('infinity', '-infinity')) as unreadable,
    count(*) filter (where "<watermark>" > "<now>" and "<watermark>" < 'infinity') as waiting
from "<relation>"
where "<watermark>" is null or "<watermark>" > "<now>" or "<watermark>" = '-infinity'
