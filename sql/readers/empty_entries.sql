-- The shapes that a format fills in: a format replaces those that it feeds.

create or replace temp table session_entries (
    file_number int, record_number bigint, entry int, session_id varchar, visit_id varchar, started_at timestamptz,
    query_text varchar, user_id varchar, results struct(item_id varchar, rank float)[], marked_irrelevant bool,
    partial bool, reason varchar, detail varchar
);
create or replace temp table event_entries (
    file_number int, record_number bigint, entry int, event_id varchar, session_id varchar, item_id varchar,
    event_type varchar, occurred_at timestamptz, needs_session bool, reason varchar, detail varchar
);
create or replace temp table item_entries (
    file_number int, record_number bigint, entry int, item_id varchar, object_id varchar, text varchar,
    reason varchar, detail varchar
);
-- further documents and impressions of a query: they share the fate of its session.
create or replace temp table followers (
    file_number int, record_number bigint, entry int, kind varchar, session_id varchar, repeated bool
);
