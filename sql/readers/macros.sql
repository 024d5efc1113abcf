-- Words that the readers share.

-- The text of a JSON scalar: ids of any kind become strings, whole numbers with their digits as written.
-- Null for an object, an array, null and the empty text.
-- Told by the first character of the value's JSON text: that is many times cheaper than parsing each value again.
create or replace temp macro json_scalar(words) as
    case
        when words[1] in ('{', '[') or words in ('null', '""') then null
        when words[1] = '"' then
            case when contains(words, '\') then words::json ->> '$' else words[2:-2] end
        else words
    end;
create or replace temp macro scalar_text(value) as
    list_transform([value::varchar], lambda words: json_scalar(words))[1];

create or replace temp macro is_blank(words) as words is null or regexp_matches(words, '^\s*$');

-- A number or a number in quotes; NaN, infinity, null and nothing at all are null: the engine gave no score.
create or replace temp macro log_rank(words) as
    case when isfinite(try_cast(words as float)) then try_cast(words as float) end;

-- The time of a record. What lies outside 1970..2199 is a mistake of the log ('infinity' is a timestamp to the
-- engine) and would make partitions that no calendar shows. (A macro's argument is pasted wherever it is named; inside
-- a lambda it is computed, and planned, once.)
create or replace temp macro record_time(value) as
    list_filter(
        list_transform([scalar_text(value)], lambda words: log_time(words)),
        lambda moment: moment >= timestamptz '1970-01-01 00:00:00+00' and moment < timestamptz '2200-01-01 00:00:00+00'
    )[1];

-- What came, short enough for a message.
create or replace temp macro came(value) as ', got ' || coalesce(left(value::varchar, 120), 'nothing');

-- A rule that was broken; the first one of a list is the reason of a rejection.
create or replace temp macro broken(is_broken, reason, detail) as
    case when is_broken then {'reason': reason, 'detail': detail} end;
create or replace temp macro first_broken(rules) as list_filter(rules, lambda rule: rule is not null)[1];

-- The two rules of a time: it must be there, and be one.
create or replace temp macro broken_time(value, name) as
    case
        when value is null then {'reason': 'missing_time', 'detail': name || ' must be a time, got nothing'}
        when record_time(value) is null then
            {'reason': 'bad_time', 'detail': name || ' must be epoch time or ISO 8601 within 1970..2199' || came(value)}
    end;

-- Why a line cannot be read as a JSON object; null where it can.
create or replace temp macro flaw_of(problem, body) as
    case
        when problem is not null then problem
        when is_blank(body) then 'blank'
        when not json_valid(body) then 'not_json'
        when json_type(body) <> 'OBJECT' then 'not_an_object'
    end;
create or replace temp macro flaw_detail(flaw, body, detail) as
    case flaw
        when 'not_json' then 'a line must be one JSON object' || came(body)
        when 'not_an_object' then 'a line must be one JSON object, got ' || lower(json_type(body))
        else detail
    end;
