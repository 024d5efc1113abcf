-- kept_records -> kept_words: the texts of their lines and details, without what says who asked.
create or replace temp table kept_words as
select
    k.file_number,
    k.record_number,
    k.entry,
    -- in a lambda, to be planned once: that takes long
    list_transform([coalesce(k.own_raw, l.raw), k.detail], lambda words: scrubbed(words)) as words,
    words[1] as raw,
    -- it quotes the beginning of a line that is no JSON
    words[2] as detail
from kept_records as k
inner join lines as l on k.file_number = l.file_number and k.record_number = l.record_number;
