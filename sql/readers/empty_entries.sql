-- The shapes that a format fills in: a format replaces those that it feeds.

create or replace temp table session_entries (
    file_number int, record_number bigint, session_id varchar, visit_id varchar, started_at timestamptz,
    query_text varchar, user_id varchar, user_agent varchar, marked_irrelevant bool, reason varchar, detail varchar
);
create or replace temp table event_entries (
    file_number int, record_number bigint, entry int, event_id varchar, session_id varchar, item_id varchar,
    event_type varchar, occurred_at timestamptz, own_raw varchar, reason varchar, detail varchar
);
create or replace temp table item_entries (
    file_number int, record_number bigint, entry int, item_id varchar, object_id varchar, text varchar,
    reason varchar, detail varchar
);
create or replace temp table other_entries (
    file_number int, record_number bigint, entry int, fate varchar, kind varchar, detail varchar
);
create or replace temp table line_books (
    file_number int, record_number bigint, is_blank bool, is_header bool, entries int
);
-- Rows for search_sessions: new ones, and those that take the place of one (whose day was previous_day). Their lists stand
-- in session_results.
create or replace temp table session_rows (
    file_number int, record_number bigint, session_id varchar, visit_id varchar, started_at timestamptz, query_text varchar,
    user_id varchar, user_agent varchar, marked_irrelevant bool, previous_day date, previous_source varchar
);
create or replace temp view session_results as
select 0::int as file_number, 0::bigint as record_number, []::struct(item_id varchar, rank float)[] as results
where false;
-- The same for search_sessions; of a plain list only its place in plain_lists, where it is taken from as it stands.
create or replace temp view staged_results as
select file_number, record_number, null::bigint as list_at, results
from session_results;
create or replace temp table session_fates (
    file_number int, record_number bigint, fate varchar, kind varchar, detail varchar, session_id varchar
);
create or replace temp table new_parts as
select 0::int as file_number, 0::bigint as record_number, * exclude (source_file, ingested_at)
from session_parts
where false;
create or replace temp table kept_words (
    file_number int, record_number bigint, entry int, words varchar[], raw varchar, detail varchar
);
