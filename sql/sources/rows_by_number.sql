-- The rows whose watermark, a growing number, lies in the window, lowest first: the watermark, and the row.
select "<watermark>"::bigint as watermark, "<document>"::text as document
from "<relation>"
where "<watermark>" >= $start
order by "<watermark>"
