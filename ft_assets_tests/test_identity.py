"""A person is a keyed hash, the same in Python and in SQL, and no raw record names one."""

import json

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_assets import identity, queries

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


def connection(key: bytes | None) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"threads": 1})
    identity.prepare(con, key)
    con.execute(queries.read_sql("readers/identity"))
    return con


def scrub(raw: str | None, key: bytes | None = KEY) -> str | None:
    with connection(key) as con:
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
