"""Every Prometheus metric of the service; docs/metrics.md lists them."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.state_cache import Lookups
from service.wire.limits import Ending

STAGES = ("queue", "lower", "sae", "upper", "top_k", "total")
STAGE_BUCKETS_S = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01),
    *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
"""From a tenth of a millisecond: the usual defaults start where our slow calls end."""
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The metrics of one replica, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        """What the metrics port serves."""
        self.requests = Counter(
            "steerrec_requests_total",
            "Calls that ended, by gRPC method and status code.",
            ["method", "code"],
            registry=self.registry,
        )
        stage = Histogram(
            "steerrec_stage_seconds",
            "Time per stage: queue and total per request, the others per run of the model.",
            ["stage"],
            buckets=STAGE_BUCKETS_S,
            registry=self.registry,
        )
        self.stages = {name: stage.labels(name) for name in STAGES}
        """By stage: each label's child, looked up once."""
        self.batch_size = Histogram(
            "steerrec_batch_size",
            "Requests in one run of the model.",
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self.queued = Gauge(
            "steerrec_queued_requests",
            "Requests that wait for the model.",
            registry=self.registry,
        )
        self.dropped = Counter(
            "steerrec_dropped_total",
            "Requests dropped before the model ran, by reason: cancelled, deadline, deadline_near,"
            " pushed_out.",
            ["reason"],
            registry=self.registry,
        )
        self._states()
        self._slates_and_presets()
        self._replica()

    def _states(self) -> None:
        lookups = Counter(
            "steerrec_state_lookups_total",
            "Histories that the model was asked about, by outcome: hit, shared, miss.",
            ["outcome"],
            registry=self.registry,
        )
        self._lookups = {name: lookups.labels(name) for name in Lookups._fields}
        self.state_bytes = Gauge(
            "steerrec_state_cache_bytes",
            "Memory that kept hidden states take.",
            registry=self.registry,
        )
        self.state_entries = Gauge(
            "steerrec_state_cache_entries",
            "Histories whose hidden states are kept.",
            registry=self.registry,
        )

    def count_lookups(self, lookups: Lookups) -> None:
        """Counts how the histories of one run were answered; from any thread."""
        for outcome, count in lookups._asdict().items():
            if count:
                self._lookups[outcome].inc(count)

    def _slates_and_presets(self) -> None:
        self.rule_status = Counter(
            "steerrec_rule_status_total",
            "Rules in answered requests, by what became of them.",
            ["status"],
            registry=self.registry,
        )
        self.target_status = Counter(
            "steerrec_target_status_total",
            "Targets in answered requests, by what became of them.",
            ["status"],
            registry=self.registry,
        )
        self.degraded = Counter(
            "steerrec_degraded_total",
            "Answers that are less than what was asked for, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.presets_in_force = Gauge(
            "steerrec_presets_in_force",
            "Presets that a request can name.",
            registry=self.registry,
        )
        self.preset_refusals = Counter(
            "steerrec_preset_refusals_total",
            "Preset revisions that the served bundle could not honour.",
            registry=self.registry,
        )

    def _replica(self) -> None:
        self.snapshot_age = Gauge(
            "steerrec_snapshot_age_seconds",
            "Time since the presets were last known to be those of Redis.",
            registry=self.registry,
        )
        self.redis_connected = Gauge(
            "steerrec_redis_connected",
            "Whether Redis can be reached: 1 or 0.",
            registry=self.registry,
        )
        self.store_lost_data = Gauge(
            "steerrec_preset_store_lost_data",
            "Whether Redis lost presets that are served here, and nobody resolved it: 1 or 0.",
            registry=self.registry,
        )
        self.presets_unreadable = Gauge(
            "steerrec_presets_unreadable",
            "Presets that cannot be read from Redis; the last good ones go on.",
            registry=self.registry,
        )
        self.redis_faults = Counter(
            "steerrec_redis_faults_total",
            "Calls that Redis did not answer or refused, by cause.",
            ["cause"],
            registry=self.registry,
        )
        self.redis_risks = Gauge(
            "steerrec_redis_risk",
            "Whether Redis is set up so that it may lose presets: 1 or 0.",
            ["risk"],
            registry=self.registry,
        )
        self.redis_restarts = Counter(
            "steerrec_embedded_redis_restarts_total",
            "Starts of the embedded redis-server after it had ended.",
            registry=self.registry,
        )
        self.connections = Gauge(
            "steerrec_connections",
            "Clients' connections, by the worker that has them; a lone process is w0.",
            ["worker"],
            registry=self.registry,
        )
        ended = Counter(
            "steerrec_connections_ended_total",
            "Connections that the server ended or refused, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.connections_ended = {reason: ended.labels(reason.value) for reason in Ending}
        """By reason: each label's child, shown from the start."""
        self.held_bytes = Gauge(
            "steerrec_held_bytes",
            "Bytes held for clients: requests that are not answered and replies that are not sent.",
            registry=self.registry,
        )
        self.memory_refusals = Counter(
            "steerrec_memory_refusals_total",
            "Calls refused because of the bytes held, by limit: connection, process, unread.",
            ["limit"],
            registry=self.registry,
        )
        self.worker_restarts = Counter(
            "steerrec_worker_restarts_total",
            "Starts of a worker after it had ended.",
            registry=self.registry,
        )
        self.decisions = Counter(
            "steerrec_decisions_total",
            "Sampled decisions, by outcome: kept, queue_full, log_away, failed.",
            ["outcome"],
            registry=self.registry,
        )
        self.model_info = Gauge(
            "steerrec_model_info",
            "Served bundles: 1 for each label and the version it points to.",
            ["label", "version"],
            registry=self.registry,
        )
        self.label_followed = Gauge(
            "steerrec_label_followed",
            "Whether what a label points to is served: 1, or 0 where what it pointed to before is.",
            ["label"],
            registry=self.registry,
        )
        self.bundle_refusals = Counter(
            "steerrec_bundle_refusals_total",
            "Promoted bundles that did not verify; the one before went on serving.",
            registry=self.registry,
        )

    def show_followed(self, labels: Mapping[str, bool]) -> None:
        """Makes `steerrec_label_followed` say exactly these."""
        self.label_followed.clear()
        for label, is_followed in labels.items():
            self.label_followed.labels(label).set(is_followed)

    def show_models(self, models: Iterable[tuple[str, str]]) -> None:
        """Makes `steerrec_model_info` say exactly these pairs of label and version."""
        self.model_info.clear()
        for label, version in models:
            self.model_info.labels(label, version).set(1)
