"""What a server tells of itself at ``/metrics``, in Prometheus' format."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64)


class ServerMetrics:
    """Counts of one server, on a registry of its own.

    Attributes:
        requests: answered or not, by ``protocol`` and ``outcome``: answered, buffered (an action of a chunk that was
            there), refused (the client's fault), late (the deadline), failed (the server's fault).
        turned_away: connections refused, by ``reason``.
        clients: connected now, by ``protocol``.
        waiting: requests that wait for a call of the policy.
        request_seconds: from a request's last byte to its answer's, by ``protocol``; of buffered ones none.
        call_seconds: of a call of the policy. call_rows: requests that it answered.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter(
            "rsd_serve_requests", "Requests of clients.", ("protocol", "outcome"), registry=registry
        )
        self.turned_away = Counter(
            "rsd_serve_turned_away", "Connections that were refused.", ("reason",), registry=registry
        )
        self.clients = Gauge("rsd_serve_clients", "Clients connected.", ("protocol",), registry=registry)
        self.waiting = Gauge("rsd_serve_waiting", "Requests that wait for the policy.", registry=registry)
        self.request_seconds = Histogram(
            "rsd_serve_request_seconds", "From request to answer.", ("protocol",), registry=registry, buckets=_SECONDS
        )
        self.call_seconds = Histogram(
            "rsd_serve_call_seconds", "Calls of the policy.", registry=registry, buckets=_SECONDS
        )
        self.call_rows = Histogram(
            "rsd_serve_call_rows", "Requests that a call answers.", registry=registry, buckets=_ROWS
        )

    def text(self) -> str:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry).decode()
