-- How many rows no window holds, for want of a watermark; a number waits for nothing.
select count(*) as unreadable, 0 as waiting
from "<relation>"
where "<watermark>" is null
