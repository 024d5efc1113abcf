"""Pictures: what is drawn is what plain loops count, and nothing is drawn of nothing."""

import base64
import hashlib
import math
import re
import struct
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from ft_assets import pictures
from ft_assets.histograms import Bins, Differences, confidences_by_position, median_of, round_step, wilson_interval
from ft_assets.log_pictures import clicks_picture, records_picture, stages_picture
from ft_assets.pair_pictures import confidences_picture, differences_picture, pairs_a_session_picture
from ft_assets.picture import POSITIONS_SHOWN, Picture
from ft_assets.pictures import PLACED, pictures_of_table
from ft_assets.statistics import NUMBERS, Stage, arrivals, day_numbers, funnel, of_days
from ft_assets.trend_pictures import PANELS, trends_picture
from ft_assets_tests.builders import DAY, NEXT_DAY, ingested_file, inputs, make_lake, pair, session, table_of
from ft_assets_tests.days import WINDOW, lake_of, made, random_days

SEED = 37  # of two days with some of everything
NAMES = [
    "records_by_fate", "rows_through_the_stages", "click_rate_by_position", "ranks_of_pairs", "rank_differences",
    "confidence_by_position", "pairs_a_session", "trends",
]  # fmt: skip


@pytest.fixture(scope="module")
def days():
    return random_days(SEED)


@pytest.fixture(scope="module")
def rows(days):
    """The rows of both days, by table."""
    return {name: [row for tables in days.values() for row in tables[name]] for name in days[DAY]}


@pytest.fixture(scope="module")
def lake(tmp_path_factory, days):
    lake = lake_of(tmp_path_factory.mktemp("lake"), days)
    lake.append("ingested_files", table_of("ingested_files", [
        ingested_file(fates={"accepted": {"sessions": 5}, "rejected": {"not_json": 3}})
    ]), {})  # fmt: skip
    return lake


def pictures_of_days(lake, days):
    return pictures.pictures_of_days(lake, days, arrivals(lake), funnel(lake, days), day_numbers(lake, days))


@pytest.fixture(scope="module")
def drawn(lake):
    return {picture.name: picture for picture in pictures_of_days(lake, [DAY, NEXT_DAY])}


def axes_of(picture, place=0):
    assert picture.figure is not None, picture.description
    return picture.figure.axes[place]


def series(picture, said):
    """The points of a line by its name in the legend."""
    (line,) = (line for line in axes_of(picture).get_lines() if line.get_label() == said)
    return dict(zip(*(map(float, data) for data in line.get_data()), strict=True))


def stairs(picture, place):
    """Bars of a histogram: {lower edge: count}, less the empty ones."""
    values, edges, _ = [patch for patch in axes_of(picture).patches if hasattr(patch, "get_data")][place].get_data()
    return {round(float(edge), 9): int(value) for edge, value in zip(edges, values, strict=False) if value}


def float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def binned(values):
    """Plain-loop counts of values in bins of a round width."""
    values = [float32(value) for value in values]
    return lambda step: dict(Counter(round(math.floor(value / step) * step, 9) for value in values))


def places_of(rows):
    """{(session, item): place on the page} by the first mention."""
    places = {}
    for row in rows["search_sessions"]:
        for place, result in enumerate(row["results"], 1):
            places.setdefault((row["session_id"], result["item_id"]), place)
    return places


def test_a_report_has_every_picture_in_its_order_and_each_is_drawn(drawn):
    assert list(drawn) == NAMES
    for picture in drawn.values():
        assert picture.figure is not None
        assert picture.png().startswith(b"\x89PNG")
        assert re.search(r"\d", picture.title)


def test_the_ranks_drawn_are_those_of_all_pairs_in_the_same_bins(drawn, rows):
    positives, negatives = ([row[f"{side}_rank"] for row in rows["pair_features"]] for side in ("positive", "negative"))
    step = round_step(min(positives + negatives), max(positives + negatives))
    # Drawn first, filled and in outline: the negatives.
    assert stairs(drawn["ranks_of_pairs"], 0) == stairs(drawn["ranks_of_pairs"], 1) == binned(negatives)(step)
    assert stairs(drawn["ranks_of_pairs"], 2) == stairs(drawn["ranks_of_pairs"], 3) == binned(positives)(step)
    right = sum(p > n for p, n in zip(positives, negatives, strict=True)) / len(positives)
    assert drawn["ranks_of_pairs"].title == f"The positive ranks nearer in {right:.1%} of {len(positives)} pairs"


def test_the_differences_are_drawn_with_the_window_that_the_days_were_made_with(drawn, rows):
    picture = drawn["rank_differences"]
    apart = [abs(float32(float32(row["positive_rank"]) - float32(row["negative_rank"]))) for row in rows["pair_features"]]
    assert stairs(picture, 0) == binned(apart)(round_step(0, max(apart)))
    assert [line.get_xdata()[0] for line in axes_of(picture).get_lines()] == list(WINDOW.values())
    kept = len(rows["fine_tuning_features"])
    assert picture.title == f"Outside the clamp window: {1 - kept / len(apart):.1%} of {len(apart)} pairs"


def test_the_click_rate_of_a_position_is_of_the_results_with_a_text_shown_there(drawn, rows):
    places, shown, clicks = places_of(rows), Counter(), Counter()
    for row in rows["fine_tuning_inputs"]:
        for name, clicked in zip(row["item_ids"], row["clicked"], strict=True):
            shown[places[row["session_id"], name]] += 1
            clicks[places[row["session_id"], name]] += clicked
    points = axes_of(drawn["click_rate_by_position"]).get_lines()[-1]
    assert dict(zip(*points.get_data(), strict=True)) == {place: clicks[place] / shown[place] for place in shown}
    (bars,) = (each for each in axes_of(drawn["click_rate_by_position"]).collections)
    for place, segment in zip(sorted(shown), bars.get_segments(), strict=True):
        assert tuple(segment[:, 1]) == pytest.approx(wilson_interval(clicks[place], shown[place]))


def test_the_confidences_of_a_position_are_of_objects_each_once_at_the_first_place_of_their_parts(drawn, rows):
    places, objects, seen = places_of(rows), {}, defaultdict(dict)
    for row in rows["fine_tuning_inputs"]:
        for item_id, object_id in zip(row["item_ids"], row["object_ids"], strict=True):
            key = row["session_id"], object_id
            objects[key] = min(objects.get(key, 10**9), places[row["session_id"], item_id])
    for row in rows["pair_features"]:
        for side in ("positive", "negative"):
            seen[side][row["session_id"], row[f"{side}_id"], row[f"{side}_confidence"]] = True
    for side, said in (("positive", "events"), ("negative", "not-events")):
        by_place = defaultdict(list)
        for session_id, object_id, confidence in seen[side]:
            by_place[objects[session_id, object_id]].append(float32(confidence))
        expected = {place: sum(values) / len(values) for place, values in by_place.items()}
        assert series(drawn["confidence_by_position"], said) == pytest.approx(expected)


def test_of_very_many_sessions_a_sample_is_drawn_the_same_every_time_and_said_to_be_one(lake, rows):
    with of_days(lake, [DAY, NEXT_DAY], *PLACED, "pair_features") as con:
        con.view("pair_features").create_view("pairs")
        whole, few, again = (confidences_by_position(con, most) for most in (10_000, 2, 2))
    sessions = {row["session_id"] for row in rows["pair_features"]}
    assert (whole.sessions, whole.of_sessions) == (len(sessions), len(sessions))
    assert (few.sessions, few.of_sessions) == (2, len(sessions))
    assert few == again
    chosen = sorted(sessions, key=lambda name: hashlib.md5(name.encode()).hexdigest())[:2]
    pairs = [row for row in rows["pair_features"] if row["session_id"] in chosen]
    drawn = {(row["session_id"], row["positive_id"], row["positive_confidence"]) for row in pairs}
    assert sum(each.objects for each in few.believed if each.is_event) == len(drawn)
    picture = confidences_picture(few)
    assert axes_of(picture).get_xlabel() == "position of the object on the page, of a sample of 2 sessions"
    assert f"Drawn of a sample of 2 sessions, the same at every drawing, of {len(sessions)} with pairs." in picture.description
    assert "sample" not in confidences_picture(whole).description + axes_of(confidences_picture(whole)).get_xlabel()


def test_large_counts_are_short_enough_to_stand_beside_the_axis():
    for most, said in ((900, "750"), (7_000, "6,000"), (90_000, "75k"), (800_000, "800k"), (1_370_000, "1.2M")):
        picture = differences_picture(Differences(most, Bins(0.1, {0: most, 1: 1})), [(0.0, 1.0)], 1, most + 1)
        axes = axes_of(picture)
        picture.png()
        assert said in [label.get_text() for label in axes.get_yticklabels()]
        assert axes.yaxis.get_label().get_window_extent().x0 >= 0


def test_the_shaded_half_of_the_confidences_ends_at_their_quartiles(tmp_path):
    lake = make_lake(tmp_path)
    names = [f"s{k}" for k in range(8)]
    lake.append("search_sessions", table_of("search_sessions", [session(name, ["x", "p", "n"]) for name in names]), {})
    made(lake, "fine_tuning_inputs", [inputs(name, ["p", "n"], "p") for name in names])
    made(lake, "pair_features", [
        pair(name, positive_confidence=k / 10, negative_confidence=1.0) for k, name in enumerate(names)
    ])  # fmt: skip
    picture = pictures_of_table(lake, "pair_features", DAY)[1]
    assert series(picture, "events") == pytest.approx({2: 0.35})  # x was first on the page, and has no text
    band = axes_of(picture).collections[0].get_paths()[0].vertices[:, 1]
    assert (min(band), max(band)) == pytest.approx((0.1, 0.5))


def test_sessions_are_counted_by_their_pairs_in_bars_that_double(drawn, rows):
    pairs = Counter(row["session_id"] for row in rows["pair_features"])
    could = {row["session_id"] for row in rows["sampled_inputs"] if not row["is_irrelevant"] or row["session_id"] in pairs}
    bars = [bar.get_height() for bar in axes_of(drawn["pairs_a_session"]).patches]
    expected = Counter(0 if not pairs[name] else 1 + len(f"{pairs[name]:b}") - 1 for name in could)
    assert bars == [expected[place] for place in range(max(expected) + 1)]
    assert [f"{label.get_text()}" for label in axes_of(drawn["pairs_a_session"]).get_xticklabels()][:4] == [
        "0",
        "1",
        "2-3",
        "4-7",
    ]
    with_a_crowd = pairs_a_session_picture({0: 1, 1: 2, 700: 3})
    assert [bar.get_height() for bar in axes_of(with_a_crowd).patches] == [1, 2, *[0] * 8, 3]
    assert with_a_crowd.title == "The middle session has 1 pair; 16.7% have none"


def test_a_bar_of_a_stage_is_its_share_of_the_first_of_its_unit_over_that_of_the_stage_before(lake, drawn):
    bars = iter(axes_of(drawn["rows_through_the_stages"]).patches)
    before = first = None
    for stage in funnel(lake, [DAY, NEXT_DAY]):
        if first is None or first.unit != stage.unit:
            before = first = stage
        assert next(bars).get_width() == pytest.approx(before.rows / first.rows)
        assert next(bars).get_width() == pytest.approx(stage.rows / first.rows)
        before = stage
    assert next(bars, None) is None


def test_the_largest_reasons_are_named_beside_their_stage_and_the_others_added_up():
    stages = [Stage("pairs extracted", 100, "pairs"), Stage("pairs inside", 89, "pairs", {"a": 1, "b": 5, "c": 2, "d": 3})]
    words = [text.get_text() for text in axes_of(stages_picture(stages)).texts]
    assert "-5 b, -3 d, -2 c, -1 others" in words
    assert "89" in words
    long = {"flagged: " + "x" * 30: 7, "flagged: " + "y" * 30: 4}
    stages = [Stage("sessions logged", 20, "sessions"), Stage("sessions not flagged", 9, "sessions", long)]
    words = [text.get_text() for text in axes_of(stages_picture(stages)).texts]
    assert f"-7 flagged: {'x' * 30}, -4 others" in words


def test_the_trends_are_the_numbers_of_the_days_with_a_gap_where_there_is_none(lake, days):
    asked = [DAY, NEXT_DAY, NEXT_DAY.replace(day=5)]
    figure = pictures_of_days(lake, asked)[-1].figure
    assert figure is not None
    by_title = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(by_title) == [said for said, _ in PANELS]
    (line,) = (line for line in by_title["pairs"].get_lines() if line.get_label() == "inside the window")
    xs, ys = line.get_data()
    first = DAY.toordinal()
    assert list(xs) == [first, first + 1, first + 2, first + 3]  # the third day is in no table and was not asked for
    assert list(ys[:2]) == [len(days[day]["fine_tuning_features"]) for day in asked[:2]]
    assert ys[2] != ys[2]
    assert ys[3] != ys[3]


def test_means_below_zero_are_drawn_the_right_way_up_and_whole():
    rows = [{"session_date": f"2026-11-0{day}", **dict.fromkeys(NUMBERS)} for day in (1, 2)]
    for row, mean in zip(rows, (-0.9, -0.5), strict=True):
        row |= {"mean_positive_rank": mean, "mean_negative_rank": mean - 0.1}
    figure = trends_picture(rows).figure
    assert figure is not None
    (axes,) = (axes for axes in figure.axes if axes.get_title(loc="left") == "mean rank")
    bottom, top = axes.get_ylim()
    assert bottom <= -1
    assert top > -0.5


def test_what_became_of_the_records_is_drawn_as_shares_of_all(lake, drawn):
    assert [bar.get_width() for bar in axes_of(drawn["records_by_fate"]).patches] == [5 / 8, 0, 0, 3 / 8]
    assert drawn["records_by_fate"].title == "Rejected: 37.5% of 8 records"
    assert records_picture(arrivals(lake)).title == drawn["records_by_fate"].title


def test_nothing_is_drawn_of_nothing_and_the_description_says_why(tmp_path):
    lake = make_lake(tmp_path)
    for asked in ([], [DAY]):
        empty = pictures_of_days(lake, asked)
        assert [picture.name for picture in empty] == NAMES
        for picture in empty:
            assert (picture.figure, picture.png(), picture.svg()) == (None, b"", "")
            assert picture.markdown() == picture.description
            assert picture.description.endswith(".")


def test_each_table_has_the_pictures_that_are_about_it(lake):
    names = {
        name: [picture.name for picture in pictures_of_table(lake, name, DAY)]
        for name in ("ingested_files", "fine_tuning_inputs", "sampled_inputs", "pair_features", "fine_tuning_features")
    }
    assert names == {
        "ingested_files": ["records_by_fate"],
        "fine_tuning_inputs": ["click_rate_by_position"],
        "sampled_inputs": [],
        "pair_features": ["ranks_of_pairs", "confidence_by_position", "pairs_a_session"],
        "fine_tuning_features": ["rank_differences", "rows_through_the_stages"],
    }
    assert pictures_of_table(lake, "pair_features") == []


def test_pictures_are_the_same_at_every_drawing(lake, drawn):
    for again in pictures_of_days(lake, [DAY, NEXT_DAY]):
        assert again.svg() == drawn[again.name].svg()
    assert again.png() == drawn[again.name].png()


def test_several_pictures_stand_on_one_page_without_sharing_an_id(drawn):
    ids = Counter()
    for picture in drawn.values():
        root = ET.fromstring(picture.svg())
        own = [element.get("id") for element in root.iter() if element.get("id")]
        ids.update(own)
        assert all(name.startswith(f"{picture.name}-") for name in own)
        assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', picture.svg())) <= {
            pair for name in own for pair in ((name, ""), ("", name))
        }
    assert max(ids.values()) == 1


def test_a_picture_is_small_and_its_words_are_text(drawn):
    for picture in drawn.values():
        assert len(picture.png()) < 120_000
        assert len(picture.svg()) < 120_000
    assert "The positive ranks nearer in" in drawn["ranks_of_pairs"].svg()


def test_the_markdown_carries_the_image_itself_under_a_title_that_cannot_end_it(drawn):
    picture = replace(drawn["pairs_a_session"], title="a [b]\n(c)")
    match = re.fullmatch(r"!\[a b\(c\)\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", picture.markdown())
    assert match
    assert base64.b64decode(match[1]) == picture.png()
    assert Picture("n", "t", "Nothing.", None).markdown() == "Nothing."


def test_positions_far_down_are_counted_and_not_drawn():
    picture = clicks_picture([(1, 10, 5), (POSITIONS_SHOWN + 1, 30, 5)])
    assert list(axes_of(picture).get_lines()[-1].get_xdata()) == [1]
    assert picture.title == "25.0% of 40 results drew an event, 50.0% of those at position 1"
    assert "30 results further down are not drawn" in picture.description


def test_a_share_that_is_nearly_nothing_or_all_is_not_rounded_to_it(drawn, lake):
    differences = _differences(lake)
    assert differences_picture(differences, [(0.0, 1.0)], 1, 100_000).title.endswith("<0.1% of 100,000 pairs")
    assert differences_picture(differences, [(0.0, 1.0)], 99_999, 100_000).title.endswith(">99.9% of 100,000 pairs")


def _differences(lake):
    from ft_assets.histograms import differences_of_ranks
    from ft_assets.statistics import of_days

    with of_days(lake, [DAY, NEXT_DAY], "pair_features", "settings") as con:
        return differences_of_ranks(con)


def test_days_of_different_windows_have_none_drawn(lake):
    picture = differences_picture(_differences(lake), [(0.0, 1.0), (0.1, 1.0)], 1, 10)
    assert not axes_of(picture).get_lines()
    assert "different windows" in picture.description


@pytest.mark.parametrize(("hits", "of", "low", "high"), [(0, 10, 0, 0.27753), (5, 10, 0.23659, 0.76341), (10, 10, 0.72247, 1)])
def test_the_interval_is_the_one_of_the_books(hits, of, low, high):
    assert wilson_interval(hits, of) == pytest.approx((low, high), abs=1e-5)
    with pytest.raises(ValueError, match=r"0 <= hits <= of and of > 0, got 1 of 0"):
        wilson_interval(1, 0)


def test_bins_are_round_and_not_too_many():
    for low, high in [(0, 1), (-0.3, 0.9), (1e-9, 3e-9), (-500, 12345), (0.1, 0.1)]:
        step = round_step(low, high)
        assert f"{step:e}"[0] in "125"
        assert (high - low) / step <= 50
        assert high == low or (high - low) / step >= 19
    assert median_of({}) is None
    assert median_of({3: 1, 1: 1, 2: 1}) == 2
