-- The lines of the files that bring something: a file that brings a known content again has none.
create or replace temp view unparsed_lines as
select l.*
from (
    from held_lines
    union all
    from spilled_lines
) as l
where l.file_number in (select file_number from files where copy_of is null);

create or replace temp view lines as
select * replace (raw::varchar as raw)
from unparsed_lines;
