-- How the wild spells User Behavior Insights: where each field stands, newest spelling first, and what each action is.
-- A log that spells otherwise needs a line here, and no code.

create or replace temp macro ubi_field(doc, paths) as
    list_filter(list_transform(json_extract(doc, paths), lambda value: scalar_text(value)), lambda words: words is not null)[1];

create or replace temp macro ubi_action(doc) as ubi_field(doc, ['$.action_name', '$.action']);
create or replace temp macro ubi_query_id(doc) as ubi_field(doc, ['$.query_id', '$.event_attributes.query_id']);
create or replace temp macro ubi_visit(doc) as
    ubi_field(doc, ['$.session_id', '$.event_attributes.session_id', '$.query_attributes.session_id']);
create or replace temp macro ubi_user(doc) as ubi_field(doc, ['$.user_id', '$.event_attributes.user_id', '$.query_attributes.user_id']);
create or replace temp macro ubi_client(doc) as ubi_field(doc, ['$.client_id', '$.event_attributes.client_id']);
-- the time stays JSON: a message about it shows what came.
create or replace temp macro ubi_time(doc) as
    list_filter(json_extract(doc, ['$.timestamp', '$."@timestamp"', '$.event_time']), lambda value: scalar_text(value) is not null)[1];
create or replace temp macro ubi_event_id(doc) as ubi_field(doc, ['$.event_id']);
-- early logs give the engine's own id as object_id and the one that joins the list as key_value.
create or replace temp macro ubi_object(doc) as
    ubi_field(doc, [
        '$.event_attributes.object.key_value', '$.event_attributes.object.object_id', '$.event_attributes.object_id',
        '$.event_attributes.data.key_value', '$.event_attributes.data.object_id', '$.key_value', '$.object_id'
    ]);
create or replace temp macro ubi_object_field(doc) as
    ubi_field(doc, ['$.event_attributes.object.object_id_field', '$.event_attributes.data.object_id_field']);
create or replace temp macro ubi_ordinal(doc) as
    try_cast(ubi_field(doc, ['$.event_attributes.position.ordinal', '$.position.ordinal', '$.event_attributes.ordinal']) as double);
create or replace temp macro ubi_message(doc) as ubi_field(doc, ['$.message']);

-- The words as typed. Early logs have them in query, where later ones keep the engine's own query (JSON as text):
-- there the words stand behind user_query or, in a match clause, behind query.
create or replace temp macro ubi_quoted(engine_query, name) as
    nullif(try_cast('"' || regexp_extract(engine_query, '"' || name || '"\s*:\s*"((?:[^"\\]|\\.)*)"', 1) || '"' as json) ->> '$', '');
create or replace temp macro ubi_words_of(engine_query) as
    case
        when engine_query not like '{%' then engine_query
        else coalesce(ubi_quoted(engine_query, 'user_query'), ubi_quoted(engine_query, 'query'))
    end;
create or replace temp macro ubi_words(doc) as
    list_filter(
        [
            ubi_field(doc, ['$.user_query', '$.query.user_query']),
            list_transform([json_extract(doc, '$.query') ->> '$'], lambda engine_query: ubi_words_of(engine_query))[1]
        ],
        lambda words: not is_blank(words)
    )[1];

-- The list that the engine returned: of ids, or of objects that hold one.
create or replace temp macro ubi_hits(doc) as
    from_json(
        list_filter(
            json_extract(doc, ['$.query_response_hit_ids', '$.query_response_object_ids', '$.query_response_hits', '$.hits']),
            lambda value: json_type(value) = 'ARRAY'
        )[1],
        '["JSON"]'
    );
create or replace temp macro ubi_hit(value) as
    case
        when json_type(value) = 'OBJECT' then ubi_field(value, ['$.key_value', '$.object_id', '$.id', '$._id'])
        else scalar_text(value)
    end;

-- becomes: impression (a place in the list), event (an interaction with an item), search (its message is the query),
-- none (of no interest). An action that is not here is an event if it names an item, else of no interest.
create or replace temp table ubi_actions as
from (
    values
    ('impression', 'impression', null),
    ('item_impression', 'impression', null),
    ('product_impression', 'impression', null),
    ('click', 'event', 'click'),
    ('item_click', 'event', 'click'),
    ('product_click', 'event', 'click'),
    ('result_click', 'event', 'click'),
    ('add_to_cart', 'event', 'add_to_cart'),
    ('product_add_to_cart', 'event', 'add_to_cart'),
    ('purchase', 'event', 'purchase'),
    ('product_purchase', 'event', 'purchase'),
    ('watch', 'event', 'watch'),
    ('view', 'event', 'view'),
    ('product_hover', 'event', 'product_hover'),
    ('item_hover', 'event', 'product_hover'),
    ('declined_product', 'event', 'declined_product'),
    ('search', 'search', null),
    ('on_search', 'search', null),
    ('view_search_results', 'none', null),
    ('brand_filter', 'none', null),
    ('type_filter', 'none', null),
    ('filter', 'none', null),
    ('product_sort', 'none', null),
    ('sort', 'none', null),
    ('global_click', 'none', null),
    ('page_exit', 'none', null),
    ('user_feedback', 'none', null),
    ('404_redirect', 'none', null),
    ('login', 'none', null),
    ('logout', 'none', null)
) as actions (action, becomes, event_type);

-- What an object_id_field says when the object is no item.
create or replace temp table ubi_not_items as
from (values ('filter_data'), ('click_location'), ('sort_event')) as fields (object_id_field);
