-- Who asked, as a keyed hash. identity.prepare puts the key, padded, into the variables
-- user_key_inner and user_key_outer, and what user fields look like into user_marks, user_fields, user_names,
-- user_nested and user_inner_nested.

-- HMAC-SHA256 (RFC 2104) of the text, its first 32 hexadecimal digits. Null of null, and null without a key.
create or replace temp macro pseudonym(words) as
    left(sha256(getvariable('user_key_outer')::blob || unhex(sha256(getvariable('user_key_inner')::blob || encode(words)))), 32);

-- The user fields of a record as it stood: a name of theirs and its value. identity.prepare makes the patterns; as variables
-- they are constants to every query.
create or replace temp macro user_fields() as getvariable('user_fields');

-- What a text between quotes says; as it stands where it is no JSON.
create or replace temp macro unquoted(words) as coalesce(try_cast('"' || words || '"' as json) ->> '$', words);

-- Who the value of a user field names, and the field with the pseudonym in its place (null without a key). Nothing and the
-- empty text name nobody. (A macro's argument is pasted wherever it is named; in a lambda it is computed, and planned, once.)
create or replace temp macro named_user(words) as
    case
        when starts_with(words, '\"') then unquoted(unquoted(regexp_replace(words[3:], '\\"$', '')))
        when words[1] = '"' then unquoted(regexp_replace(words[2:], '"$', ''))
        when words[1] not in ('{', '[') then words
    end;
-- A list or an object becomes null. Where the value has no end, the rest of the record went with it: a mark says so. (The
-- quote is that of the field's name; null, two texts deep.)
create or replace temp macro pseudonymous_value(words, quote) as
    case
        when words in ('null', '""', '\"\"') then words
        when words[1] in ('{', '[') and quote = '"' and regexp_full_match(words, getvariable('user_nested')) then 'null'
        when words[1] in ('{', '[') and quote = '\"' and regexp_full_match(words, getvariable('user_inner_nested')) then 'null'
        when quote is null or words[1] in ('{', '[') or (words[1] = '\' and not starts_with(words, quote)) then 'null …'
        else coalesce(quote || pseudonym(named_user(words)) || quote, 'null')
    end;
create or replace temp macro pseudonymous_field(field) as
    list_transform(
        [regexp_extract(field, getvariable('user_names'))],
        lambda name: name || list_transform(
            [substr(field, len(name) + 1)],
            lambda words: pseudonymous_value(
                words, case when starts_with(name, '"') then '"' when starts_with(name, '\"') then '\"' end
            )
        )[1]
    )[1];

-- What lies between the fields, then after each the field anew: so that only its own value is replaced, wherever else the
-- same letters stand.
create or replace temp macro with_fields(pieces, fields) as
    array_to_string(
        list_transform(
            list_zip(pieces, fields), lambda part: part[1] || coalesce(pseudonymous_field(part[2]), '')
        ),
        ''
    );

-- The text of a record with every value of a user field replaced by its pseudonym, or by null without a key.
create or replace temp macro scrubbed(words) as
    case
        when regexp_matches(words, getvariable('user_marks'))
            then with_fields(string_split_regex(words, user_fields()), regexp_extract_all(words, user_fields()))
        else words
    end;
