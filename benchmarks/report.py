"""Medians, ratios and tables of what was measured."""

import math
from dataclasses import dataclass, field
from statistics import median

MB = 1_000_000


@dataclass
class Measured:
    """One scenario: for every target its samples, one a round, each a dict of figures; or why there are none."""

    name: str
    title: str
    figures: list["Figure"]
    samples: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def median(self, target: str, figure: str) -> float:
        values = [sample[figure] for sample in self.samples.get(target, []) if figure in sample]
        return median(values) if values else math.nan

    def ratio(self, figure: str, over: str, under: str) -> float:
        """Median of the ratios of each round: what disturbs a whole round disturbs both sides of it."""
        pairs = zip(self.samples.get(over, []), self.samples.get(under, []))
        ratios = [a[figure] / b[figure] for a, b in pairs if a.get(figure) is not None and b.get(figure)]
        return median(ratios) if ratios else math.nan


@dataclass
class Figure:
    key: str
    title: str
    digits: int
    ratio: bool = True  # worth comparing


THROUGHPUT = Figure("kreq_s", "throughput, kreq/s", 1)
PROXY_CPU = Figure("proxy_us", "CPU of the proxy, µs a command", 3)
RUN_FIGURES = [
    THROUGHPUT,
    PROXY_CPU,
    Figure("proxy_user_us", "– of it user", 3, ratio=False),
    Figure("proxy_system_us", "– of it system", 3, ratio=False),
    Figure("redis_us", "CPU of Redis, µs a command", 3),
    Figure("p50_us", "p50, µs", 0),
    Figure("p99_us", "p99, µs", 0),
    Figure("rss_mb", "RSS of the proxy afterwards, MB", 1, ratio=False),
]
VALUE_FIGURES = [
    Figure("mb_s", "throughput, MB/s", 0),
    Figure("proxy_us_mb", "CPU of the proxy, µs a MB", 1),
    *RUN_FIGURES[4:],
]
IDLE_FIGURES = [
    Figure("rss_at_start_mb", "RSS at start, MB", 1),
    Figure("bytes_per_connection", "bytes of RSS a connection", 0),
]
UNREAD_FIGURES = [
    Figure("peak_mb", "peak RSS over that at start, MB", 1, ratio=False),
    Figure("redis_peak_mb", "peak RSS of Redis over that at start, MB", 1, ratio=False),
    Figure("worst_ms", "another client's worst wait, ms", 1, ratio=False),
]


def number(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def table(measured: Measured, targets: list[str], subject: str) -> str:
    """Markdown; the last columns are the subject's figure divided by each other target's."""
    others = [target for target in targets if target != subject] if subject in targets else []
    head = [measured.title, *targets, *(f"{subject} : {other}" for other in others)]
    lines = [head, ["---", *["--:"] * (len(head) - 1)]]
    for figure in measured.figures:
        cells = [number(measured.median(target, figure.key), figure.digits) for target in targets]
        ratios = [number(measured.ratio(figure.key, subject, other), 2) if figure.ratio else "" for other in others]
        lines.append([figure.title, *cells, *ratios])
    rows = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    notes = "".join(f"\n\n{target} failed: {why}" for target, why in measured.failures.items())
    return rows + notes


@dataclass
class Demand:
    """What the gate asks of weir: a ratio of one figure in one scenario, at most or at least so much."""

    scenario: str
    figure: Figure
    other: str
    at_least: float = -math.inf
    at_most: float = math.inf

    def judge(self, measured: dict[str, Measured]) -> tuple[bool, str]:
        ratio = measured[self.scenario].ratio(self.figure.key, "weir", self.other)
        bound = f"at most {self.at_most}" if self.at_most < math.inf else f"at least {self.at_least}"
        met = self.at_least <= ratio <= self.at_most  # never true of nan: not measured is not met
        verdict = "met" if met else "MISSED"
        text = f"{verdict}: {self.scenario}, {self.figure.title}: {number(ratio, 2)} × {self.other}, {bound}"
        if self.figure is THROUGHPUT:
            # No proxy at all is nearly the most that any proxy can reach on this machine.
            text += f" (direct: {number(measured[self.scenario].ratio(self.figure.key, 'direct', self.other), 2)})"
        return met, text


GATE = [
    Demand("pipeline-1", THROUGHPUT, "nutcracker", at_least=1.0),
    Demand("pipeline-1", PROXY_CPU, "nutcracker", at_most=0.85),
    Demand("pipeline-16", THROUGHPUT, "nutcracker", at_least=2.0),
    Demand("pipeline-16", PROXY_CPU, "haproxy", at_most=1.3),
]
