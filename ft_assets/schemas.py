"""Every table of the lake, said once: its columns, their types and what they mean.

The asset key, the folder in the lake and the SQL file carry the table's name; the Delta schema, the UI's column
metadata, the check of stored types and docs/tables.md all derive from what stands here.

Times are UTC. ``session_date`` is the date of the session's ``started_at``. Ids are strings. A record is what a line of
a landed file says: a session, an event, an item; a line with a list of events holds several, told apart by ``entry``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

STRING, BOOL, FLOAT, DATE = pa.string(), pa.bool_(), pa.float32(), pa.date32()
TIMESTAMP = pa.timestamp("us", tz="UTC")
RESULT = pa.struct([pa.field("item_id", STRING), pa.field("rank", FLOAT)])


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type and one sentence about it.

    Attributes:
        name: as stored.
        type: as stored.
        description: a sentence.
        nullable: whether a null is allowed.
        unit: of its numbers or times, where it has one: ``bytes``, ``score``, ``[0, 1]``, ``UTC``.
        personal: whether it may tell who a person is, or in what words the person asked. Such a column stays in the lake:
            Dagster's storage outlives ``ft-assets forget``.
    """

    name: str
    type: pa.DataType
    description: str
    nullable: bool = False
    unit: str | None = None
    personal: bool = False


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    Attributes:
        name: asset key, folder in the lake and stem of its SQL file.
        row: what one row is.
        about: what it is made from, what it is for and what to look at, in Markdown.
        columns: in storage order.
        key: columns that name a row: no two rows share their values.
        partition_by: Delta partition columns; a table partitioned by ``session_date`` alone has one part per day.
        daily: whether Dagster materializes it day by day.
    """

    name: str
    row: str
    about: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()
    daily: bool = False

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema. Every field is nullable in storage; the checks hold what may not be null."""
        return pa.schema([pa.field(column.name, column.type) for column in self.columns])

    @property
    def column_names(self) -> list[str]:
        """Names in storage order."""
        return [column.name for column in self.columns]

    @property
    def required(self) -> list[str]:
        """Columns that may not hold a null."""
        return [column.name for column in self.columns if not column.nullable]

    def empty(self) -> pa.Table:
        """A table of no rows."""
        return self.schema.empty_table()


def type_name(type_: pa.DataType) -> str:
    """A short readable name of an Arrow type, as the UI and the docs show it: ``list<string>``, ``float32``."""
    if pa.types.is_list(type_):
        return f"list<{type_name(type_.value_type)}>"
    if pa.types.is_struct(type_):
        return "{" + ", ".join(f"{field.name}: {type_name(field.type)}" for field in type_) + "}"
    return {"float": "float32", "bool": "bool", "date32[day]": "date"}.get(str(type_), str(type_))


_SOURCE = Column("source_file", STRING, "Landed file that the row came from, relative to the landing place.")
_NUMBER = Column("record_number", pa.int64(), "Line of the file, from 1.")
_ENTRY = Column("entry", pa.int32(), "Which event of the line's list, from 1; 0 where the line is one record.")
_RAW = Column(
    "raw", STRING, "The line as it stood, user ids replaced by their keyed hash; of a long list its own event.", personal=True
)
_INGESTED = Column("ingested_at", TIMESTAMP, "When the row was ingested.")
_SESSION = Column("session_id", STRING, "The session: one query with the list it got.")
_DATE = Column("session_date", DATE, "UTC date of the session's started_at.")
_QUERY_HASH = Column("query_hash", STRING, "Hash of the query text: the key of its vector.", personal=True)

SEARCH_SESSIONS = Table(
    "search_sessions",
    "a session as logged",
    "Made by the ingestion from the landed files: every session once, with its list as it was shown, bots and noise "
    "included. All that the features know of what people asked and saw starts here. Look at `rows_added` against what "
    "you expect of your traffic: a day with few sessions makes few pairs.",
    (
        _SESSION,
        Column(
            "visit_id", STRING, "The visit in which the query was asked, where the log has it.", nullable=True, personal=True
        ),
        _DATE,
        Column("started_at", TIMESTAMP, "When the query was asked."),
        Column("query_text", STRING, "The query as typed.", personal=True),
        Column("user_id", STRING, "Who asked, as a keyed hash; nothing without a key.", nullable=True, personal=True),
        Column("user_agent", STRING, "What program asked, where the log says it.", nullable=True, personal=True),
        Column(
            "results",
            pa.list_(RESULT),
            "Items in the order shown, each with the engine's score where it gave one.",
            unit="rank: score of the engine",
        ),
        Column("marked_irrelevant", BOOL, "Whether the log marks the whole session as irrelevant."),
        _SOURCE,
        _INGESTED,
    ),
    key=("session_id",),
    partition_by=("session_date",),
)

_EVENT_COLUMNS = (
    Column("event_id", STRING, "The event; made from its content where the log gives none."),
    _SESSION,
    Column("item_id", STRING, "The item acted on."),
    Column("event_type", STRING, "Type of the act in the field's standard name: click, add_to_cart, purchase, ..."),
    Column("occurred_at", TIMESTAMP, "When it happened."),
)

SESSION_EVENTS = Table(
    "session_events",
    "an interaction with a shown item as logged, of whatever type",
    "Made by the ingestion: clicks, carts, purchases and whatever else the log says of a shown item, each once. Which "
    "types count as positive evidence is decided later (`fine_tuning_inputs`, setting `event_types`), so nothing is "
    "thrown away here. An event whose session is not logged yet is in `waiting_records` meanwhile.",
    (*_EVENT_COLUMNS, _SOURCE, _INGESTED),
    key=("event_id",),
)

WAITING_RECORDS = Table(
    "waiting_records",
    "an event that is sound, but whose session, or the place of its item in the list, is not logged yet",
    "Made by the ingestion: events that came before their session, or before the impression that says where their "
    "item stood. They are joined when that comes, in whatever file, and leave this table then. A few are normal where "
    "logs are shipped in pieces; the check `nothing_waits_for_long` warns of those whose session seems lost.",
    (
        *_EVENT_COLUMNS,
        Column("waits_for", STRING, "session: the query has not come; impression: it does not show the item yet."),
        _SOURCE,
        _NUMBER,
        _ENTRY,
        _RAW,
        _INGESTED,
    ),
    key=("event_id",),
)

REJECTED_RECORDS = Table(
    "rejected_records",
    "a record that was refused",
    "Made by the ingestion: what could not be used, with a fixed `reason`, what must hold and what came instead, and "
    "the line as it stood. An empty table is the best one; the check `nothing_is_rejected` shows what is in it. Look "
    "at `reason` first: many rows of one reason mean that the logging changed, one row that a line is damaged.",
    (
        _SOURCE,
        _NUMBER,
        _ENTRY,
        Column("reason", STRING, "A fixed code."),
        Column("detail", STRING, "What must hold and what came.", nullable=True, personal=True),
        Column("session_id", STRING, "The session that it names, where it names one.", nullable=True),
        _RAW,
        _INGESTED,
    ),
    key=("source_file", "record_number", "entry"),
)

_AT = "When that was logged."
SESSION_PARTS = Table(
    "session_parts",
    "what one ingestion learnt of a session whose log is scattered over many records (ubi)",
    "Made by the ingestion from logs in which the query, the impressions and the events of one session are records of "
    "their own (User Behavior Insights). It is the notebook that makes a session the same whatever order its records "
    "come in; the sessions themselves are in `search_sessions`. Nothing needs to be read here unless "
    "`sessions_become_whole` warns.",
    (
        _SESSION,
        Column("queried_at", TIMESTAMP, "Time of its first query document.", nullable=True),
        Column("acted_at", TIMESTAMP, "Time of its first event of any kind.", nullable=True),
        Column("query_text", STRING, "Its words, as the best of its records has them.", nullable=True, personal=True),
        Column("query_text_place", pa.int8(), "1: of a query with hits, 2: of a query, 3: of an event, 4: a message.", True),
        Column("query_text_at", TIMESTAMP, _AT, nullable=True),
        Column("hits", pa.list_(STRING), "The engine's list, of the first query document that has one.", nullable=True),
        Column("hits_at", TIMESTAMP, _AT, nullable=True),
        Column("visit_id", STRING, "The visit, as the first of its records has it.", nullable=True, personal=True),
        Column("visit_id_place", pa.int8(), "1: of a query, 2: of an event.", nullable=True),
        Column("visit_id_at", TIMESTAMP, _AT, nullable=True),
        Column("user_id", STRING, "Keyed hash of who asked, as the first of its records has it.", nullable=True, personal=True),
        Column("user_id_place", pa.int8(), "1: user of a query, 2: of an event, 3: client of a query, 4: of an event.", True),
        Column("user_id_at", TIMESTAMP, _AT, nullable=True),
        Column("user_agent", STRING, "The program, as the first of its records has it.", nullable=True, personal=True),
        Column("user_agent_at", TIMESTAMP, _AT, nullable=True),
        Column(
            "shown",
            pa.list_(pa.struct([("item_id", STRING), ("ordinal", pa.float64()), ("shown_at", TIMESTAMP)])),
            "Its impressions, each item once, in the order shown.",
        ),
        Column("is_worth_it", BOOL, "Whether something was asked, shown or done, and not words typed ahead only."),
        _SOURCE,
        _INGESTED,
    ),
)

INGESTED_FILES = Table(
    "ingested_files",
    "a landed file as it was found once, and what became of its records",
    "Made by the ingestion, which keeps its books here: read = accepted + duplicate + of no interest + rejected, for "
    "every file. It says which files are done, so a file is ingested exactly once. Its check "
    "`rows_agree_with_the_books` holds the tables of the log to these counts and stops every day if they differ.",
    (
        _SOURCE,
        Column(
            "landed_as",
            STRING,
            "Its name in the landing place; source_file differs where a name came again with other content.",
        ),
        Column("format", STRING, "How it was read: the first folder of its name."),
        Column("content", STRING, "SHA-256 of what it holds, decompressed: another name or packing, the same content."),
        Column("bytes", pa.int64(), "Its size as landed.", unit="bytes"),
        Column("modified_at", TIMESTAMP, "When it was written last."),
        Column("copy_of", STRING, "The file that brought the same content before; all of its records are duplicates.", True),
        Column("lines", pa.int64(), "All lines; each is blank, a header of a bulk file, or holds records.", unit="lines"),
        Column("blank", pa.int64(), "Lines without anything.", unit="lines"),
        Column("headers", pa.int64(), "Lines that are headers of a bulk file.", unit="lines"),
        Column(
            "records", pa.int64(), "Records read; each is accepted, a duplicate, of no interest, or rejected.", unit="records"
        ),
        Column("accepted", pa.int64(), "Records that are news; those that wait for their session among them.", unit="records"),
        Column("duplicate", pa.int64(), "Records that say what is known.", unit="records"),
        Column("no_interest", pa.int64(), "Records that say nothing of sessions, results and their events.", unit="records"),
        Column("rejected", pa.int64(), "Records refused; each is a row of rejected_records.", unit="records"),
        Column(
            "waiting",
            pa.int64(),
            "Of the accepted, events that waited for their session when the file was read.",
            unit="events",
        ),
        Column("sessions", pa.int64(), "Rows that it added to search_sessions.", unit="sessions"),
        Column("events", pa.int64(), "Rows that it added to session_events at once.", unit="events"),
        Column(
            "forgotten_sessions",
            pa.int64(),
            "Rows of search_sessions that were removed on a person's request.",
            unit="sessions",
        ),
        Column(
            "forgotten_records",
            pa.int64(),
            "Events, waiting and rejected records that were removed on a person's request.",
            unit="records",
        ),
        Column(
            "fates",
            pa.list_(pa.struct([("fate", STRING), ("kind", STRING), ("records", pa.int64())])),
            "The same by kind: sessions, events, items, ...; for rejected ones the reason.",
        ),
        _INGESTED,
    ),
    key=("landed_as", "content", "modified_at"),
)

ITEMS = Table(
    "items",
    "a part with its text",
    "Made by the ingestion from the landed catalogue: the newest text of each item, and the object (document, "
    "product) that it is a part of. The model encodes these texts. An item that is shown and not here has no text, so "
    "it is removed from its sessions: the check `results_have_texts` of `fine_tuning_inputs` warns when that is more "
    "than a few.",
    (
        Column("item_id", STRING, "The part: what a result list names."),
        Column("object_id", STRING, "The object it is a part of; itself where the catalogue says nothing."),
        Column("text", STRING, "The text that the model encodes."),
        Column("text_hash", STRING, "Hash of the text: the key of its vector."),
        _SOURCE,
        Column("updated_at", TIMESTAMP, "When this version of the item was ingested."),
    ),
    key=("item_id",),
)

FLAGGED_SESSIONS = Table(
    "flagged_sessions",
    "a session that a rule takes for a bot's or for noise",
    "Made from `search_sessions` and `session_events` of the day by the rules in `sql/rules/`. By default a rule only "
    "counts (shadow mode); a rule named in the setting `enforced` leaves its sessions out of the features. Look at "
    "the numbers of each rule over the days under *Plots* before you enforce one, and at `detail` for what was "
    "counted.",
    (
        _SESSION,
        _DATE,
        Column("rule", STRING, "The rule, a fixed code: the stem of its file in sql/rules."),
        Column("is_enforced", BOOL, "Whether the session is left out for it; else the rule is in shadow mode, which counts."),
        Column("detail", STRING, "What was counted, and the limit.", personal=True),
    ),
    partition_by=("session_date",),
    daily=True,
)

FINE_TUNING_INPUTS = Table(
    "fine_tuning_inputs",
    "a session ready to use",
    "Made from the day's sessions, their events, the catalogue's texts and the flags: per session the list without "
    "repetitions, the object of each item, the engine's score and whether it drew a positive event. Items without a "
    "text and sessions of enforced rules are left out, and counted. This is what a training loop of your own would "
    "start from (`FineTuningInput`).",
    (
        _SESSION,
        _DATE,
        Column("query_text", STRING, "The query as typed.", personal=True),
        _QUERY_HASH,
        Column("started_at", TIMESTAMP, "When the query was asked."),
        Column("item_ids", pa.list_(STRING), "Items in the order shown, each once."),
        Column("object_ids", pa.list_(STRING), "The object of each item."),
        Column(
            "ranks", pa.list_(FLOAT), "The engine's score of each item; null where it gave none.", unit="score of the engine"
        ),
        Column("clicked", pa.list_(BOOL), "Whether the item drew a positive event."),
        Column("event_weight", pa.list_(FLOAT), "Weight of the item's evidence: 1 where clicked, 0 elsewhere.", unit="[0, 1]"),
        Column("is_irrelevant", BOOL, "No event at all, or marked so."),
    ),
    partition_by=("session_date",),
    daily=True,
)

SAMPLED_INPUTS = Table(
    "sampled_inputs",
    "a session ready to use, its not-events thinned",
    "Made from `fine_tuning_inputs`: the same sessions, with `kept` saying which results take part. Results without "
    "an event are thinned object by object to the share `negative_downsampling_factor` (default 1: all stay). The "
    "choice depends on the seed and the ids alone, so a rerun chooses the same.",
    (
        *FINE_TUNING_INPUTS.columns,
        Column("kept", pa.list_(BOOL), "Whether the item stays: always for parts of a clicked object."),
    ),
    partition_by=("session_date",),
    daily=True,
)

TEXT_VECTORS = Table(
    "text_vectors",
    "a text under a model",
    "Made from the queries and item texts of the day by the model of the resource `encoder`. A text is encoded once "
    "in its life under a model: materializing a day adds what is missing and removes nothing, so look at "
    "`query_texts_encoded` and `item_texts_encoded`, which should fall to nearly none on a day seen before. Another "
    "model gets vectors of its own, beside these.",
    (
        Column("model", STRING, "Fingerprint of the model: all that changes its numbers."),
        Column("role", STRING, "query or item: a model may encode them differently."),
        Column("text_hash", STRING, "Hash of the text, which may be a query.", personal=True),
        Column("vector", pa.list_(FLOAT), "The embedding; one width per model.", personal=True),
    ),
    partition_by=("model",),
    daily=True,
)

_PAIR_COLUMNS = (
    Column("session_id", STRING, "Session of the positive."),
    _DATE,
    _QUERY_HASH,
    Column("positive_id", STRING, "Object that drew an event."),
    Column("negative_id", STRING, "Object shown without an event."),
    Column("positive_rank", FLOAT, "The model's score of the positive for the query.", unit="score of the model"),
    Column("negative_rank", FLOAT, "The model's score of the negative for its query.", unit="score of the model"),
    Column("target", pa.int8(), "1 where a higher score is nearer, -1 where a lower one is."),
    Column("positive_confidence", FLOAT, "How far the event can be believed.", unit="[0, 1]"),
    Column("negative_confidence", FLOAT, "How far the absence of an event can be believed.", unit="[0, 1]"),
    Column("pairing", STRING, "session: both of one session; irrelevant: the negative is an irrelevant session's."),
)

PAIR_FEATURES = Table(
    "pair_features",
    "a pair",
    "Made from `sampled_inputs` and `text_vectors`: in each session, every result that drew an event against every "
    "kept one that did not, how the model scores both today, and how far each can be believed. Look at "
    "`share_ordered_right`: the share of pairs in which the model already prefers the positive. Nothing is cut here, "
    "so the window of `fine_tuning_features` can be chosen from these rows.",
    _PAIR_COLUMNS,
    partition_by=("session_date",),
    daily=True,
)
FINE_TUNING_FEATURES = Table(
    "fine_tuning_features",
    "a pair inside the clamp window",
    "Made from `pair_features`: the pairs with min < |positive_rank - negative_rank| < max. **This is the table to "
    "train on**: read it with `ft_assets.read_table`, or let `ft_assets.training_data` feed it to your loop. Look at "
    "`pairs_clamped` (what the window cut off, see the picture) and at its checks: all green means that every row can "
    "be traced back to a logged session.",
    _PAIR_COLUMNS,
    partition_by=("session_date",),
    daily=True,
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        SEARCH_SESSIONS,
        SESSION_EVENTS,
        ITEMS,
        REJECTED_RECORDS,
        WAITING_RECORDS,
        SESSION_PARTS,
        INGESTED_FILES,
        FLAGGED_SESSIONS,
        FINE_TUNING_INPUTS,
        SAMPLED_INPUTS,
        TEXT_VECTORS,
        PAIR_FEATURES,
        FINE_TUNING_FEATURES,
    )
}

PULLED_RANGES = Table(
    "pulled_ranges",
    "a finished pull of new rows from a table of a database",
    "What the program keeps for itself, so that the next pull goes on where this one ended; no asset. It is written "
    "after the rows have landed: a pull that is killed is done again, and the ingestion drops what came twice.",
    (
        Column("source", STRING, "The source's name in sources.yaml."),
        Column("feed", STRING, "What its rows are: items, sessions or events."),
        Column("relation", STRING, "The table or view of the database."),
        Column("watermark_column", STRING, "Its column that grows with every new or changed row."),
        Column("number", pa.int64(), "Number of the pull, from 1, among those of the source's feed."),
        Column("watermark", pa.int64(), "Highest watermark read: the number, or microseconds since 1970 (UTC)."),
        Column("rows_read", pa.int64(), "Rows read since the pull before, those of the overlap included.", unit="rows"),
        Column("rows_new", pa.int64(), "Rows that landed.", unit="rows"),
        Column("file", STRING, "Landed file, relative to the landing place."),
        Column("hashes", pa.list_(STRING), "MD5 of each landed row that the next pull reads again."),
        Column("pulled_at", TIMESTAMP, "When the pull was noted."),
    ),
)

# Columns that say of a person what they say, in any table. The hash of a query is one: who guesses the query finds it there.
PERSONAL = frozenset(column.name for table in TABLES.values() for column in table.columns if column.personal)

# What the program keeps for itself: no asset, and in no report.
LEDGERS: dict[str, Table] = {table.name: table for table in (PULLED_RANGES,)}


def table_named(name: str) -> Table:
    """The table of that name.

    Raises:
        KeyError: no such table; the message lists those there are.
    """
    try:
        return LEDGERS[name] if name in LEDGERS else TABLES[name]
    except KeyError:
        raise KeyError(f"no table is named {name!r}; there are {', '.join(TABLES)}") from None


def unit_of(column: Column) -> str | None:
    """The unit of a column's values; every time is in UTC, every date one of UTC."""
    return column.unit or ("UTC" if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type) else None)


def column_metadata(table: Table) -> list[dict[str, Any]]:
    """Name, type, description, nullability and unit of each column, for UIs and documentation."""
    return [
        {
            "name": column.name,
            "type": type_name(column.type),
            "description": column.description,
            "nullable": column.nullable,
            "unit": unit_of(column),
            "personal": column.personal,
        }
        for column in table.columns
    ]
