"""The catalogue of metrics, against what Prometheus is shown."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from pointsman.metrics import Metrics


def test_what_is_declared_is_what_prometheus_sees() -> None:
    # Given one process's metrics
    metrics = Metrics()
    # When they are rendered and read back
    families = text_string_to_metric_families(metrics.render().decode())
    seen = {(f.name, f.type, f.documentation) for f in families if not f.name.endswith("_created")}
    # Then they are exactly the declared ones (the parser drops a counter's suffix, and each has its time of creation)
    assert seen == {(name.removesuffix("_total"), kind, text) for name, kind, text, _ in metrics.declared}


def test_two_processes_in_one_interpreter_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.transitions.inc()
    assert first.registry.get_sample_value("pointsman_transitions_total") == 1
    assert second.registry.get_sample_value("pointsman_transitions_total") == 0


def test_a_registry_of_the_callers_is_used() -> None:
    registry = CollectorRegistry()
    Metrics(registry).signals.labels(outcome="applied").inc(3)
    assert registry.get_sample_value("pointsman_signals_total", {"outcome": "applied"}) == 3
