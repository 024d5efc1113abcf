import subprocess
import sys

import pytest

import ft_assets

PUBLIC = {
    "FineTuningFeatures",
    "FineTuningInput",
    "ItemsSet",
    "FeaturesExtractor",
    "constant_confidences",
    "windowed_confidences",
    "cosine_similarity",
    "dot_product",
    "euclidean_distance",
    "prob_margin_ranking_loss",
    "cosine_prob_margin_ranking_loss",
    "read_table",
}


def test_the_public_names_are_those_of_the_design_sorted():
    assert set(ft_assets.__all__) == PUBLIC
    assert ft_assets.__all__ == sorted(ft_assets.__all__)
    assert set(dir(ft_assets)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_name_is_there_and_documented(name):
    assert getattr(ft_assets, name).__doc__


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        ft_assets.Nothing  # noqa: B018 (asking is the test)


def test_importing_the_package_imports_nothing_heavy():
    heavy = "('torch', 'lightning', 'dagster', 'pyarrow', 'duckdb')"
    code = f"import sys, ft_assets; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
