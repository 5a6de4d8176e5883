"""Gauges whose labels are the information."""

from prometheus_client import CollectorRegistry, Gauge


class InfoGauge:
    """A gauge that is 1 for each current combination of labels; other combinations have no series."""

    def __init__(self, registry: CollectorRegistry, name: str, text: str, labels: tuple[str, ...]) -> None:
        self._gauge = Gauge(name, text, labels, registry=registry)
        self._shown: set[tuple[str, ...]] = set()

    def show(self, combinations: set[tuple[str, ...]]) -> None:
        # Add new ones first, so that a concurrent scrape always finds one.
        for labels in combinations - self._shown:
            self._gauge.labels(*labels).set(1)
        for labels in self._shown - combinations:
            self._gauge.remove(*labels)
        self._shown = combinations
