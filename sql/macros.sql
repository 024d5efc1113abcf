-- Words that the queries share. Run once on every connection.

-- The key of a text's vector: stable across engines, versions and processes.
create or replace macro text_hash(words) as md5(words);

-- How many objects of a session's list are marked, by a list beside it: an object is where any of its parts is. Items are
-- unique in a session, so where each item is its own object the marks are counted; else objects have to be told apart.
create or replace macro count_objects(object_ids, item_ids, marks) as
    case
        when object_ids = item_ids then len(list_filter(marks, lambda m: m))
        else len(list_distinct(list_filter(object_ids, lambda o, i: marks[i])))
    end;

-- Whether a value stands in a list twice; nulls are none. To look up each value's first place is quadratic, and yet takes a
-- quarter of the time of list_distinct for a page of results.
create or replace macro has_repeats(list) as
    case
        when len(list) <= 50
            then len(list_filter(list, lambda value, place: value is not null and list_position(list, value) <> place)) > 0
        else len(list_distinct(list)) < list_count(list)
    end;

-- Whether a pair is inside the clamp window: strictly, and compared in float32, as FineTuningFeatures.clamp_diff_in does.
-- A rank that is no number keeps no pair. That has to be said: DuckDB trusts a file's least and greatest value, which
-- leave NaN out, and may take a comparison for true of every row.
create or replace macro inside_window(positive_rank, negative_rank, low, high) as
    coalesce(
        isfinite(positive_rank - negative_rank)
        and abs(positive_rank - negative_rank) > low::float
        and abs(positive_rank - negative_rank) < high::float,
        false
    );

-- A point in time from a log: epoch seconds, milli-, micro- or nanoseconds (told apart by magnitude; whole or
-- fractional, as a number or in quotes), or ISO 8601 (Z, +00:00 and +0000; without an offset it is UTC).
-- Null where it is none of these, such as the words 'epoch' and 'infinity', which DuckDB would take for times.
-- Exact to the microsecond, what is finer cut off: as doubles, nanoseconds at midnight may fall on the day before.
create or replace macro log_epoch(number) as
    case
        when number <= 0 then null
        when number < 1e11 then make_timestamptz(floor(number * 1000000)::bigint)
        when number < 1e14 then make_timestamptz(floor(number * 1000)::bigint)
        when number < 1e17 then make_timestamptz(floor(number)::bigint)
        else make_timestamptz((floor(number)::hugeint // 1000)::bigint)
    end;
-- A number holds no colon: most times of logs are not asked whether they are one. (In a lambda it is read once, not in each case.)
create or replace macro log_time(words) as
    coalesce(
        case
            when not contains(words::varchar, ':')
                then list_transform([try_cast(words as decimal(29, 9))], lambda number: log_epoch(number))[1]
        end,
        case when regexp_matches(words::varchar, '^\s*[0-9]') then try_cast(words as timestamptz) end
    );
