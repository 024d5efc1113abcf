"""A person is a keyed hash, the same in Python and in SQL, and no raw record names one."""

import json
from collections.abc import Iterable

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets import identity, queries, spellings

KEY = b"0123456789abcdef"
# RFC 4231: key, data, first 128 bits. The texts that are UTF-8 serve; test case 5 is the RFC's own truncation.
RFC_4231 = [
    (b"\x0b" * 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b"),
    (b"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c7"),
    (b"\x0c" * 20, "Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
    (b"\xaa" * 131, "Test Using Larger Than Block-Size Key - Hash Key First", "60e431591ee0b67f0d8a26aacbf5b77f"),
    (
        b"\xaa" * 131,
        "This is a test using a larger than block-size key and a larger than block-size data. "
        "The key needs to be hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944",
    ),
]


def connection(key: bytes | None, paths: Iterable[identity.Steps] = ()) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"threads": 1})
    identity.prepare(con, key, paths)
    con.execute(queries.read_sql("readers/identity"))
    return con


def scrub(raw: str | None, key: bytes | None = KEY, paths: Iterable[identity.Steps] = ()) -> str | None:
    with connection(key, paths) as con:
        return con.execute("select scrubbed(raw) from (values ($1), ('x')) as t(raw)", [raw]).fetchall()[0][0]


def code(user: str) -> str:
    return identity.pseudonym(user, KEY)


@pytest.mark.parametrize(("key", "words", "digits"), RFC_4231)
def test_python_and_sql_give_the_numbers_of_the_rfc(key, words, digits):
    assert identity.pseudonym(words, key) == digits
    with connection(key) as con:
        assert con.execute("select pseudonym($1)", [words]).fetchall() == [(digits,)]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.binary(min_size=1, max_size=200), st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_sql_computes_what_python_does(key, users):
    with connection(key) as con:
        found = con.execute("select pseudonym(u) from (select unnest($1::varchar[]) as u)", [users]).fetchall()
    assert [row[0] for row in found] == [identity.pseudonym(user, key) for user in users]


def test_without_a_key_nobody_has_a_pseudonym_and_null_has_none_with_it():
    with connection(None) as con:
        assert con.execute("select pseudonym('u'), pseudonym(null)").fetchall() == [(None, None)]
        identity.prepare(con, KEY)
        assert con.execute("select pseudonym('u'), pseudonym(null)").fetchall() == [(code("u"), None)]


def test_the_key_is_in_no_text_of_sql():
    with connection(KEY) as con:
        macros = con.execute("select macro_definition from duckdb_functions() where function_name = 'pseudonym'").fetchall()
    assert macros
    assert KEY.decode() not in str(macros)


def test_a_key_is_long_or_not_there():
    assert identity.user_key({}) is None
    assert identity.user_key({identity.KEY_VARIABLE: ""}) is None
    assert identity.user_key({identity.KEY_VARIABLE: "k" * 16}) == b"k" * 16
    with pytest.raises(ValueError, match="at least 16 bytes, got 15") as error:
        identity.user_key({identity.KEY_VARIABLE: "q" * 15})
    assert "qqq" not in str(error.value)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('{"user_id": "u1", "q": "u1"}', f'{{"user_id": "{code("u1")}", "q": "u1"}}'),
        ('{"user_id":17,"n":17}', f'{{"user_id":"{code("17")}","n":17}}'),
        (
            '{"a": [{"clientId" : "x"}, {"userId":"y"}]}',
            f'{{"a": [{{"clientId" : "{code("x")}"}}, {{"userId":"{code("y")}"}}]}}',
        ),
        ('{"user_id": "a", "client_id": "b"}', f'{{"user_id": "{code("a")}", "client_id": "{code("b")}"}}'),
        (r'{"user_id": "a\"b, \\", "z": 1}', f'{{"user_id": "{code(chr(97) + chr(34) + "b, " + chr(92))}", "z": 1}}'),
        (r'{"user_id": "\u00e9"}', f'{{"user_id": "{code("é")}"}}'),
        ('{"user_id": ".*", "q": "any"}', f'{{"user_id": "{code(".*")}", "q": "any"}}'),
        (r'{"user_id": "\\1$0"}', f'{{"user_id": "{code(chr(92) + "1$0")}"}}'),
        ('{"user_id": 1, "x": {"user_id": 12}}', f'{{"user_id": "{code("1")}", "x": {{"user_id": "{code("12")}"}}}}'),
        ('{"user_id": null, "client_id": ""}', '{"user_id": null, "client_id": ""}'),
        ('{"user_id": "cut o', f'{{"user_id": "{code("cut o")}"'),
        ('{"user_id": "cut\\', f'{{"user_id": "{code("cut" + chr(92))}"'),
        ('{"user_id": 12', f'{{"user_id": "{code("12")}"'),
        ('{"user_id": ', '{"user_id": '),
        ('nonsense "user_id":"u1"} u1', f'nonsense "user_id":"{code("u1")}"}} u1'),
        ('{"user_id": {"id": "u1"}, "n": 1}', '{"user_id": null, "n": 1}'),
        ('{"user_id": ["u1", "u2"]}', '{"user_id": null}'),
        ('{"my_user_id": "u1"}', '{"my_user_id": "u1"}'),
        ('{"q": "the user_id of u1"}', '{"q": "the user_id of u1"}'),
        ("", ""),
    ],
)
def test_only_the_value_of_a_user_field_is_replaced(raw, expected):
    assert scrub(raw) == expected


def test_a_user_field_inside_a_text_that_is_json_itself_is_replaced():
    inner = {"user_id": 'a"\\b', "client_id": 7, "q": "w"}
    raw = json.dumps({"query": json.dumps(inner), "user_id": "a"})
    replaced = json.loads(scrub(raw))
    assert replaced["user_id"] == code("a")
    assert json.loads(replaced["query"]) == {"user_id": code('a"\\b'), "client_id": code("7"), "q": "w"}


def test_without_a_key_the_value_is_dropped():
    assert scrub('{"user_id": "u1", "client_id": 2, "q": "u1"}', None) == '{"user_id": null, "client_id": null, "q": "u1"}'
    assert scrub(r'{"q": "{\"user_id\": \"u1\"}"}', None) == r'{"q": "{\"user_id\": null}"}'
    assert scrub(None) is None


NAMES = st.sampled_from(["user_id", "client_id", "userId", "clientId"])
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.dictionaries(NAMES, TEXT | st.integers(), max_size=4), TEXT, st.booleans())
def test_scrubbing_a_record_is_replacing_its_values(users, other, is_ascii):
    raw = json.dumps({"words": other, "inner": {**users}, "end": 1}, ensure_ascii=is_ascii)
    expected = {name: code(str(value)) if value != "" else "" for name, value in users.items()}
    assert json.loads(scrub(raw)) == {"words": other, "inner": expected, "end": 1}


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.data())
def test_no_cut_of_a_record_names_the_person(data):
    raw = json.dumps({"user_id": 'SECRET"SECRET', "q": {"client_id": "SECRET"}})
    cut = raw[: data.draw(st.integers(0, len(raw)))]
    assert "SECRET" not in scrub(cut)


def nested(levels: int, inner: object = "SECRET") -> object:
    for level in range(levels):
        inner = {"x]": inner, "y": ["}", 1]} if level % 2 else ["{", inner]
    return inner


@pytest.mark.parametrize("levels", range(1, identity.LEVELS + 1))
@pytest.mark.parametrize("is_text", [False, True], ids=["record", "text in a record"])
def test_a_nested_value_is_replaced_and_the_record_stays_sound(levels, is_text):
    record = {"a": 1, "user_id": nested(levels, 'SECRET", \\ ]'), "z": [2]}
    raw = json.dumps({"query": json.dumps(record)} if is_text else record)
    found = json.loads(scrub(raw))
    assert (json.loads(found["query"]) if is_text else found) == {**record, "user_id": None}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('{"user_id":{"id":{"x":"bob"}}}', '{"user_id":null}'),
        ('{"user_id":["x",{"id":"bob"}], "z": 1}', '{"user_id":null, "z": 1}'),
        ('{"a": 1, "user_id": {"id": {"x": "bob", "z": 1}', '{"a": 1, "user_id": null …'),
        ('{"user_id": ["x"}, "bob"], "z": 1}', '{"user_id": null …'),
        ('{"user_id": [[[[[[["bob"]]]]]]], "z": 1}', '{"user_id": null …'),
        (r'{"user_id": \"bob\", "z": "bob"}', '{"user_id": null …'),
        (r'{"q": "{\"user_id\": {\"id\": \"bob", "z": 1}', r'{"q": "{\"user_id\": null …'),
        (r'{"q": "{\"user_id\": \"bob", "z": 1}', rf'{{"q": "{{\"user_id\": \"{code("bob")}\"", "z": 1}}'),
        (r'{"q": "{\"user_id\":\n\"b\u00f6b\"}"}', rf'{{"q": "{{\"user_id\":\n\"{code("böb")}\"}}"}}'),
        (json.dumps({"q": json.dumps({"r": json.dumps({"userId": "bob"})})}), r'{"q": "{\"r\": \"{\\\"userId\\\": null …'),
    ],
)
def test_a_value_that_does_not_end_takes_the_rest_of_the_record_with_it(raw, expected):
    assert scrub(raw) == expected


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.data())
def test_no_cut_of_a_nested_record_names_the_person(data):
    value = nested(
        data.draw(st.integers(1, identity.LEVELS + 2)), data.draw(st.sampled_from(["SECRET", '"SECRET', "\\SECRET\u00e9"]))
    )
    record = {
        "user_id": value,
        "q": json.dumps({"client_id": value, "r": json.dumps({"userId": "SECRET"})}),
        "userId": "SECRET",
    }
    raw = json.dumps(record, ensure_ascii=data.draw(st.booleans()))
    begin, end = data.draw(st.sampled_from([0, 1])), data.draw(st.integers(0, len(raw)))
    assert "SECRET" not in scrub(raw[begin:end])


def home_with(tmp_path, *paths: str):
    rows = "".join(f"{field},{place},{path},ours\n" for place, (field, path) in enumerate((p.split(" ", 1) for p in paths), 1))
    (tmp_path / "ubi_fields.csv").write_text(f"field,place,path,spelling\n{rows}", encoding="utf-8")
    return tmp_path


def test_the_fields_of_a_home_are_replaced_by_their_last_name_that_says_whose_they_are(tmp_path):
    home = home_with(
        tmp_path, 'user $."kün de"', "client $.visitor.id", "user $.who[0].key", "user $.a-b.c$d".replace("$d", "_d")
    )
    paths = spellings.user_paths(home)
    assert identity.scrubbed_names(paths) == {*identity.USER_FIELDS, "kün de", "visitor", "who", "c_d"}
    assert spellings.session_paths(home) == {("query_id",), ("event_attributes", "query_id")}
    record = {
        "kün de": "u",
        "visitor": {"id": "u"},
        "who": [{"key": "u"}],
        "a-b": {"c_d": 7},
        "id": "i",
        "client_id": "c",
        "künde": 1,
    }
    expected = {**record, "kün de": code("u"), "visitor": None, "who": None, "a-b": {"c_d": code("7")}, "client_id": code("c")}
    for is_ascii in (False, True):
        assert json.loads(scrub(json.dumps(record, ensure_ascii=is_ascii), paths=paths)) == expected
    assert json.loads(scrub(json.dumps(record))) == {**record, "client_id": code("c")}


def test_our_own_fields_need_no_other_names():
    assert identity.scrubbed_names(spellings.user_paths()) == identity.USER_FIELDS


def test_a_name_is_no_pattern():
    raw = '{"a.c": "u", "abc": "u"}'
    assert scrub(raw, paths=[("a.c",)]) == f'{{"a.c": "{code("u")}", "abc": "u"}}'
