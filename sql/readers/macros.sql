-- Words that the readers share. Variables: earliest_time, latest_time (what lies outside is a mistake of the log).

-- The text of a JSON scalar: ids of any kind become strings, whole numbers with their digits as written.
-- Null for an object, an array, null, the empty text, and the bare NaN and Infinity that some writers put where nothing is.
-- Told by the first character of the value's JSON text: that is many times cheaper than parsing each value again.
create or replace temp macro json_scalar(words) as
    case
        when starts_with(words, '"') then
            case
                when contains(words, '\') then nullif(words::json ->> '$', '')
                else nullif(substring(words, 2, length(words) - 2), '')
            end
        when starts_with(words, '{') or starts_with(words, '[') or words in ('null', 'NaN', 'Infinity', '-Infinity') then null
        -- 1.50 and 1.5 are one number; whole numbers keep every digit.
        when contains(words, '.') or contains(words, 'e') or contains(words, 'E') then from_json(words, '"VARCHAR"')
        else words
    end;
create or replace temp macro scalar_text(value) as json_scalar((value)::varchar);

-- The same of a value that was read as text: faster in long lists. An object or array arrives as its JSON.
create or replace temp macro id_text(words) as
    case
        when (starts_with(words, '{') or starts_with(words, '[')) and json_valid(words) then null
        when words <> '' then words
    end;

create or replace temp macro is_blank(words) as words is null or regexp_matches(words, '^\s*$');

-- The engine's score: null where it gave none, and NaN for what is no finite number: a rule refuses that.
create or replace temp macro log_rank(value) as
    case
        when value is null or (value)::varchar = 'null' then null
        -- true would be cast to 1.
        when isfinite(try_cast(value as float)) and (value)::varchar not in ('true', 'false') then try_cast(value as float)
        else 'nan'::float
    end;

-- A time within what a log can be of. ('infinity' is a timestamp to the engine.)
create or replace temp macro within_reason(moment) as
    case when moment >= getvariable('earliest_time') and moment <= getvariable('latest_time') then moment end;

-- What came, short enough for a message.
create or replace temp macro came(value) as ', got ' || coalesce(left(value::varchar, 120), 'nothing');

-- A rule that was broken; the first one of a list is the reason of a rejection.
create or replace temp macro broken(is_broken, reason, detail) as
    case when is_broken then {'reason': reason, 'detail': detail} end;
create or replace temp macro first_broken(rules) as list_filter(rules, lambda rule: rule is not null)[1];

-- The rules of a time: it must be there, be one, and be neither of another age nor of days to come. (A macro's argument is
-- pasted wherever it is named: give columns, not expressions.)
create or replace temp macro broken_time(value, moment, name) as
    case
        when within_reason(moment) is not null then null
        when value is null or (value)::varchar in ('null', '""') then
            {'reason': 'missing_time', 'detail': name || ' must be a time, got nothing'}
        when moment is null or not isfinite(moment) then
            {'reason': 'bad_time', 'detail': name || ' must be epoch time or ISO 8601' || came(value)}
        when moment < getvariable('earliest_time') then
            {
                'reason': 'time_too_early',
                'detail': name || ' must not lie before ' || getvariable('earliest_time')::date::varchar || came(value)
            }
        else
            {
                'reason': 'time_in_future',
                'detail': name || ' must not lie after ' || getvariable('latest_time')::varchar || came(value)
            }
    end;

-- Whether JSON is an object, by its first character behind what JSON takes for blank.
create or replace temp macro begins_as_object(body) as starts_with(ltrim(body, ' ' || chr(9) || chr(10) || chr(13)), '{');

-- Why a line cannot be read as a JSON object; null where it can.
create or replace temp macro flaw_of(problem, body) as
    case
        when problem is not null then problem
        when is_blank(body) then 'blank'
        when not json_valid(body) then 'not_json'
        when not begins_as_object(body) then 'not_an_object'
    end;
create or replace temp macro flaw_detail(flaw, body, detail) as
    case flaw
        when 'not_json' then 'a line must be one JSON object' || came(body)
        when 'not_an_object' then 'a line must be one JSON object, got ' || lower(json_type(body))
        else detail
    end;

-- A value that a list holds twice, where it holds one: the most frequent.
create or replace temp macro most_repeated(list) as list_aggregate(list, 'mode');
