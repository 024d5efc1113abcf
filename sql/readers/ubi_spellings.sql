-- The fields of a UBI document, wherever the wild puts them: where that is, ubi_fields.csv says, and what each action is,
-- ubi_actions.csv. A log that spells otherwise needs a line there, and no code. (spellings.py gives the tables first.)

-- As one variable it is a constant to every query, and DuckDB reads each path of a list of constants only once.
set variable ubi_paths = (
    select map(list(field), list(paths))
    from (select field, list(path order by place) as paths from ubi_fields group by field)
);
create or replace temp macro ubi_values(doc, field) as json_extract(doc, getvariable('ubi_paths')[field]);

create or replace temp macro ubi_field(doc, field) as
    list_filter(list_transform(ubi_values(doc, field), lambda value: scalar_text(value)), lambda words: words is not null)[1];
create or replace temp macro ubi_has(doc, field) as len(list_filter(ubi_values(doc, field), lambda value: value is not null)) > 0;

create or replace temp macro ubi_action(doc) as ubi_field(doc, 'action');
create or replace temp macro ubi_query_id(doc) as ubi_field(doc, 'query_id');
create or replace temp macro ubi_visit(doc) as ubi_field(doc, 'visit');
create or replace temp macro ubi_user(doc) as ubi_field(doc, 'user');
create or replace temp macro ubi_client(doc) as ubi_field(doc, 'client');
create or replace temp macro ubi_agent(doc) as ubi_field(doc, 'agent');
create or replace temp macro ubi_application(doc) as ubi_field(doc, 'application');
-- the time stays JSON: a message about it shows what came.
create or replace temp macro ubi_time(doc) as
    list_filter(ubi_values(doc, 'time'), lambda value: scalar_text(value) is not null)[1];
create or replace temp macro ubi_event_id(doc) as ubi_field(doc, 'event_id');
create or replace temp macro ubi_object(doc) as ubi_field(doc, 'object');
create or replace temp macro ubi_object_field(doc) as ubi_field(doc, 'object_field');
create or replace temp macro ubi_ordinal(doc) as try_cast(ubi_field(doc, 'ordinal') as double);
create or replace temp macro ubi_message(doc) as ubi_field(doc, 'message');

-- The words inside the engine's query, a JSON text. A path $..name is a text behind that name, at any depth; a path
-- $..name.* is the text behind any one name in the object behind it, as in {"match": {"title": "shoes"}}. It is read
-- as text: the names may be a hundred levels deep, and a query that was cut off in the log still has its words.
set variable ubi_engine_names = (
    select list('"' || split_part(path[4:], '.', 1) || '"' order by place) from ubi_fields where field = 'engine_words'
);
set variable ubi_engine_pattern = (
    select
        string_agg(
            '"' || split_part(path[4:], '.', 1) || '"\s*:\s*' || case when path like '%.*' then '\{\s*"[^"\\]*"\s*:\s*' else '' end
            || '"(?:[^"\\]|\\.)*"',
            '|' order by place
        )
    from ubi_fields
    where field = 'engine_words'
);
create or replace temp macro ubi_quoted(assignment) as
    try_cast(regexp_extract(assignment, '"(?:[^"\\]|\\.)*"$') as json) ->> '$';
create or replace temp macro ubi_words_of(engine_query) as
    case
        when ltrim(engine_query) not like '{%' then engine_query
        else list_filter(
            list_transform(
                [regexp_extract_all(engine_query, getvariable('ubi_engine_pattern'))],
                lambda found: list_transform(
                    getvariable('ubi_engine_names'),
                    lambda name: ubi_quoted(list_filter(found, lambda assignment: starts_with(assignment, name))[1])
                )
            )[1],
            lambda words: not is_blank(words)
        )[1]
    end;
-- The words as typed. Early logs have them in query, where later ones keep the engine's own query.
create or replace temp macro ubi_words(doc) as
    coalesce(
        list_filter(list_transform(ubi_values(doc, 'words'), lambda value: scalar_text(value)), lambda words: not is_blank(words))[1],
        list_filter(
            list_transform(ubi_values(doc, 'engine_query'), lambda value: ubi_words_of(value ->> '$')),
            lambda words: not is_blank(words)
        )[1]
    );

-- The list that the engine returned: of ids, or of objects that hold one.
create or replace temp macro ubi_hits(doc) as
    from_json(list_filter(ubi_values(doc, 'hits'), lambda value: json_type(value) = 'ARRAY')[1], '["JSON"]');
create or replace temp macro ubi_hit(value) as
    case when json_type(value) = 'OBJECT' then ubi_field(value, 'hit') else scalar_text(value) end;

-- Queries and events are told apart by their fields: indices are named as anyone likes.
create or replace temp macro ubi_kind(doc) as
    case
        when ubi_has(doc, 'event_mark') then 'event'
        when ubi_has(doc, 'query_mark') or ubi_hits(doc) is not null then 'query'
    end;
