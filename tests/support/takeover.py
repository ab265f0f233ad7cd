"""How long players heard nothing after their session's owner had died."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Takeover:
    """Seconds from a kill to the new owner's claim, and to the first word of its."""

    claimed_s: float
    said_s: float


@dataclass(slots=True)
class Takeovers:
    """All of a run."""

    times: list[Takeover] = field(default_factory=list)

    def note(self, killed_s: float, claimed_s: float, said_s: float) -> None:
        """Note one, by instants of one clock."""
        self.times.append(Takeover(claimed_s - killed_s, said_s - killed_s))

    def said_s(self, share: float) -> float:
        """Return the time within which this share of sessions spoke again."""
        return percentile([time.said_s for time in self.times], share)

    def table(self) -> str:
        """Return p50, p99 and the maximum of both."""
        rows = [f"takeovers: {len(self.times)}   p50      p99      max"]
        for name in ("claimed_s", "said_s"):
            times = [getattr(time, name) for time in self.times]
            shown = "  ".join(f"{percentile(times, p):5.2f} s" for p in (0.5, 0.99, 1))
            rows.append(f"  {name:<12} {shown}")
        return "\n".join(rows)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that *share* of all do not exceed; 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    at = max(round(share * len(ordered) + 0.499999) - 1, 0)
    return ordered[min(at, len(ordered) - 1)]
