"""What became of the rules, targets and answers of many slates, counted at once."""

from collections import Counter
from collections.abc import Sequence

from service.metrics import Metrics
from service.slate import Slate
from steering.report import statuses


class Tally:
    """Counts slates into the metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def count(self, slates: Sequence[Slate]) -> None:
        """Counts these."""
        # looking a label up costs more than making the report
        fates = Counter(own for slate in slates for own in statuses(slate.reports))
        for status, count in fates.items():
            self._metrics.rule_status.labels(status.name).inc(count)
        for slate in slates:
            for degraded in slate.degraded:
                self._metrics.degraded.labels(degraded.reason.name).inc()
            if slate.findings is not None and slate.findings.target is not None:
                self._metrics.target_status.labels(slate.findings.target.status.name).inc()
