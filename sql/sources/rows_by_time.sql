-- The rows whose watermark, a time, lies in the window, oldest first: the watermark in microseconds since 1970, and the row.
--
-- What lies in the future waits for its time: a watermark that went there would leave behind all that comes before it.
select (extract(epoch from "<watermark>") * 1000000)::bigint as watermark, "<document>"::text as document
from "<relation>"
where "<watermark>" >= "<epoch>" + $start::double precision * interval '1 microsecond' and "<watermark>" <= "<now>"
order by "<watermark>"
