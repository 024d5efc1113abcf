"""The numbers of docs/method.md, recomputed: its first table is the input, every other one is checked."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from ft_assets.extractor import FeaturesExtractor
from ft_assets.kernels import id_hashes, sample_hashes, windowed_confidences
from ft_assets.losses import cosine_prob_margin_ranking_loss, prob_margin_ranking_loss
from ft_assets.records import FineTuningInput, ItemsSet
from ft_assets_tests import reference

METHOD = Path(__file__).parents[1] / "docs" / "method.md"
Rows = list[list[str]]


def table(first: str) -> Rows:
    """The rows of the table whose header begins with ``first``."""
    lines = METHOD.read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


class Model:
    """The query at (1, 0), the other one at (0, 1); items are their vectors."""

    def forward_query(self, query: str) -> Tensor:
        return torch.tensor([1.0, 0.0] if query == "black tea" else [0.0, 1.0])

    def forward_items(self, items: Tensor) -> Tensor:
        return items


def given() -> tuple[FineTuningInput, FineTuningInput, ItemsSet]:
    rows = table("result | object")
    names = [row[0] for row in rows]
    session = FineTuningInput(
        session_id="s1", query="black tea", results=names, events=[row[0] for row in rows if row[3] == "yes"],
        ranks={row[0]: float(row[2]) for row in rows}, part_to_object_dict={row[0]: row[1] for row in rows},
    )  # fmt: skip
    irrelevant = FineTuningInput(query="teapot", events=[], results=["b", "a1", "c"], ranks={"b": 0.9, "a1": 0.8, "c": 0.7})
    vectors = [[float(x) for x in row[4].strip("()").split(",")] for row in rows]
    return session, irrelevant, ItemsSet(names, torch.tensor(vectors))


def extractor(**settings: bool) -> FeaturesExtractor:
    return FeaturesExtractor(Model(), confidence_calculator=windowed_confidences, **settings)


def digits(*values: float) -> list[str]:
    return [f"{value:.4f}" for value in values]


def confidence_rows() -> Rows:
    session, _, _ = given()
    objects = list(dict.fromkeys(map(session.get_object_id, session.results)))
    parts = {o: [session.ranks[r] or 0.0 for r in session.results if session.get_object_id(r) == o] for o in objects}
    ranks = [reference.mean(parts[name]) for name in objects]
    clicks = [name in map(session.get_object_id, session.events) for name in objects]
    rows, n = [], len(objects)
    found = windowed_confidences(torch.tensor(ranks), torch.tensor(clicks)).tolist()
    for i, name in enumerate(objects):
        low, high = max(0, i - 1), min(n, i + 2)
        m, p = reference.mean(ranks[low:high]), reference.mean(clicks[low:high])
        d = abs(ranks[i] - m) / (abs(m) + 1e-9)
        raw = (1 - d) * p + (1 - p) * d if clicks[i] else (1 - p) * (1 - d) + p * d
        weighted = raw * (math.exp(-3 * (i + 1) / n - 0.3) + 0.25)
        numbers = digits(m, p, d, raw, weighted, found[i])
        rows.append([name, *digits(ranks[i]), "yes" if clicks[i] else "no", *numbers])
    return rows


def hash_rows() -> Rows:
    names = ["b", "c"]
    hashes = sample_hashes(0, id_hashes(["s1"] * 2), id_hashes(names)).tolist()
    plain = [reference.sample_hash(0, reference.id_hash("s1"), reference.id_hash(name)) for name in names]
    assert [value % 2**64 for value in hashes] == plain
    session, _, _ = given()
    stay = FeaturesExtractor(Model(), negative_downsampling_factor=0.5)._downsample_not_events(session)
    return [
        [n, f"{reference.id_hash(n):016x}", f"{h:016x}", "yes" if n in stay else "no"]
        for n, h in zip(names, plain, strict=True)
    ]


def pair_rows() -> Rows:
    session, irrelevant, items = given()
    names = [("a", "b"), ("a", "c"), ("d", "b"), ("d", "c"), ("a", "b"), ("d", "a1")]
    features = extractor(not_irrelevant_only=False)._get_paired_inputs_features(session, irrelevant, items)
    columns = (
        features.positive_ranks, features.negative_ranks, features.positive_confidences, features.negative_confidences,
    )  # fmt: skip
    rows = []
    for (positive, negative), *values in zip(names, *(c.tolist() for c in columns), strict=True):
        inside = 0.0 < abs(values[0] - values[1]) < 1.0
        rows.append([positive, negative, *digits(*values), "yes" if inside else "no"])
    for place in (4, 5):
        rows[place][1] += " of teapot"
    return rows


def loss_rows() -> Rows:
    session, _, items = given()
    features = extractor()([session], items)
    losses = (prob_margin_ranking_loss, cosine_prob_margin_ranking_loss)
    return [[f"`{loss.__name__}`", f"{loss(features, margin=0.35).item():.4f}"] for loss in losses]


def test_the_tables_of_the_method_are_what_the_library_computes() -> None:
    assert table("object | engine rank") == confidence_rows()
    assert table("object | id hash") == hash_rows()
    assert table("positive | negative") == pair_rows()
    assert table("loss | at margin 0.35") == loss_rows()
