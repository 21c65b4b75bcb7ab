"""The example that the reference page shows."""

from __future__ import annotations

from pathlib import Path

from tests.compile.compiling import edges_of, plan_of, region, warnings_of

EXAMPLE = (Path(__file__).parents[2] / "examples" / "article.yaml").read_text()


def test_the_example_of_the_reference_compiles_without_a_warning() -> None:
    assert warnings_of(EXAMPLE) == []
    assert plan_of(EXAMPLE).regions == (region("review", "write", "write review"),)
    assert edges_of(EXAMPLE)[-2:] == [
        "review->publish: review -> publish leave break",
        "review->ask: review -> ask leave timeout",
    ]
