"""Today's corpus against the last published ones: what changed more than its inputs explain.

For every share and mean the nearer of the median of the versions before and the last of them is the
reference. Allowed is the largest of MADS median absolute deviations and a floor, and on top of it what
new or gone pages can explain. docs/gate.md has the reasons.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from reinschrift.expectations.measuring import MAX_EXAMPLES
from reinschrift.expectations.verdict import WARN, Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from reinschrift.expectations.figures import Figures

DEFAULTS = {
    "history.min-versions": 3,  # fewer say nothing
    "history.min-documents": 5,
    "history.mads": 5,
    "history.share": 0.05,  # by how much a share may change, at least
    "history.mean": 0.3,  # by which part of itself a mean may change, at least
    "history.shrink": 0.7,  # documents today, as a part of the last version's
    "history.grow": 5,
    "history.rule-hits": 10,  # expected, below which the silence of a rule says nothing
    "history.rule-factor": 10,
    "history.site": 0.25,  # by how much the share kept of a site may fall
}
MAD_TO_DEVIATION = 1.4826  # of a normal distribution
NOISE = 3  # standard deviations of a share, where pages are other ones
NEW_PAGE_WEIGHT = 10  # how much larger than the mean a new page may be
HITS_A_PAGE = 5
MIN_SITE_PAGES = 3
Values = dict[str, float]


@dataclass(frozen=True)
class Drift:
    """One thing that is compared: shares or means, by key; `unit` says which."""

    name: str
    what: str
    values: Callable[[Figures], Values]
    unit: str
    reads: tuple[str, ...]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _removed(figures: Figures) -> Values:
    return {
        step: _ratio(counts.get("chars_dropped") or 0, figures["chars_read"])
        for step, counts in figures["steps"].items()
        if not step.startswith(("removals", "read"))
    }


def _kept(figures: Figures) -> Values:
    return {"kept": _ratio(figures["chars"], figures["chars_read"])}


def _languages(figures: Figures) -> Values:
    return {code: _ratio(n, figures["documents"]) for code, n in figures["languages"].items()}


def _kinds(figures: Figures) -> Values:
    return {kind: _ratio(n, figures["sentences"]) for kind, n in figures["kinds"].items()}


def _present(figures: Figures) -> Values:
    counts = {**figures["present"], **figures["signals_present"]}
    return {name: _ratio(n, figures["documents"]) for name, n in counts.items()}


def _quarantine(figures: Figures) -> Values:
    refused = figures["quarantine"]
    return {"quarantined": _ratio(refused, refused + figures["pages"])}


def _means(figures: Figures) -> Values:
    signals = {
        name: _ratio(total / 1e6, figures["signals_present"][name])
        for name, total in figures["signals"].items()
        if total is not None
    }
    return {
        "characters a document": _ratio(figures["chars"], figures["documents"]),
        "characters a sentence of prose": _ratio(figures["sentence_chars"], figures["prose_sentences"]),
        "sentences a document": _ratio(figures["sentences"], figures["documents"]),
        # Means below a hundredth say little, and double easily.
        **{name: value for name, value in signals.items() if value >= 0.01},
    }


DRIFTS = (
    Drift("history.kept", "share of characters kept", _kept, "share", ("documents.rows",)),
    Drift("history.steps", "share of characters a step removed", _removed, "share", ("ledger.rows",)),
    Drift(
        "history.languages",
        "share of documents in a language",
        _languages,
        "share",
        ("documents.language",),
    ),
    Drift("history.kinds", "share of sentences of a kind", _kinds, "share", ("sentences.kind",)),
    Drift(
        "history.present",
        "share of documents that have a title, an address, a signal",
        _present,
        "share",
        ("documents.title", "documents.url", "documents.author", "documents.date"),
    ),
    Drift("history.quarantine", "share of inputs refused", _quarantine, "share", ("quarantine.rows",)),
    Drift("history.means", "mean of lengths and signals", _means, "mean", ("documents.text",)),
)


@dataclass(frozen=True)
class _Past:
    """The versions before, oldest first, and how much of today's pages are new."""

    versions: Sequence[Figures]
    today: Figures
    limits: Mapping[str, float]

    @property
    def last(self) -> Figures:
        return self.versions[-1]

    @property
    def growth(self) -> float:
        """Pages that came or went, as a share of the larger corpus."""
        before, now = self.last["documents"], self.today["documents"]
        return float(abs(now - before) / max(now, before, 1))

    @property
    def has_same_inputs(self) -> bool:
        return self.today.get("inputs") is not None and self.today["inputs"] == self.last.get("inputs")


def judge_history(
    today: Figures, versions: Sequence[Figures], thresholds: Mapping[str, float]
) -> Iterator[Observation]:
    """An observation for each thing compared; none on the first runs."""
    limits = {**DEFAULTS, **thresholds}
    past = _Past(versions, today, limits)
    if len(versions) < limits["history.min-versions"]:
        return
    yield _documents(past)
    if min(today["documents"], past.last["documents"]) < limits["history.min-documents"]:
        return
    yield from (_observe(drift.name, drift.what, drift.reads, _drifts(drift, past)) for drift in DRIFTS)
    reads = ("ledger.rule", "ledger.rows")
    yield _observe("history.rules", "hits of a rule that used to hit", reads, list(_rules(past)))
    sites = list(_sites(past))
    yield _observe("history.sites", "share kept of a site", ("documents.text",), sites)


def _observe(name: str, what: str, reads: tuple[str, ...], drifts: list[dict[str, Any]]) -> Observation:
    shown = "; ".join(f"{row['of']}: {row['now']} after {row['before']}" for row in drifts[:3])
    more = f"; and {len(drifts) - 3} more" if len(drifts) > 3 else ""
    return Observation(
        name,
        "corpus",
        f"{what} is much as it was",
        len(drifts),
        found=shown + more or "nothing unusual",
        allowed="as in the versions before, within the thresholds of history",
        rows=drifts[:MAX_EXAMPLES],
        reads=reads,
        severity=WARN,
    )


def _documents(past: _Past) -> Observation:
    now, before = past.today["documents"], past.last["documents"]
    ratio = now / before if before else 1.0
    low, high = past.limits["history.shrink"], past.limits["history.grow"]
    return Observation(
        "history.documents",
        "corpus",
        "there are about as many documents as before",
        ratio,
        low,
        high,
        found=f"{now:,} after {before:,}",
        allowed=f"{low:g} to {high:g} times as many",
        reads=("documents.rows",),
        severity=WARN,
    )


def _drifts(drift: Drift, past: _Past) -> list[dict[str, Any]]:
    """Keys whose value left the band."""
    before = [drift.values(figures) for figures in past.versions]
    now = drift.values(past.today)
    return [
        {"of": key, "now": f"{now.get(key, 0):.3g}", "before": f"{before[-1].get(key, 0):.3g}"}
        for key in sorted({*now, *before[-1]})
        if _left_band(now.get(key, 0.0), [values.get(key, 0.0) for values in before], drift.unit, past)
    ]


def _left_band(now: float, before: list[float], unit: str, past: _Past) -> bool:
    usual = median(before)
    deviation = median(abs(value - usual) for value in before) * MAD_TO_DEVIATION
    band = max(past.limits["history.mads"] * deviation, _floor(usual, unit, past))
    away = min(abs(now - usual), abs(now - before[-1]))
    return away > band + _explained(usual, unit, past)


def _floor(usual: float, unit: str, past: _Past) -> float:
    if unit == "share":
        return past.limits["history.share"]
    return past.limits["history.mean"] * abs(usual)


def _explained(usual: float, unit: str, past: _Past) -> float:
    """What new, gone and changed pages can explain."""
    if past.has_same_inputs:
        return 0.0
    if unit == "share":
        noise = math.sqrt(usual * (1 - min(usual, 1)) / max(past.today["documents"], 1))
        return past.growth + NOISE * noise
    return NEW_PAGE_WEIGHT * past.growth * abs(usual)


def _rules(past: _Past) -> Iterator[dict[str, Any]]:
    """Rules that hit in every version before and now hit nothing, or many times as much."""
    pages, new = past.today["pages"], max(0, past.today["pages"] - past.last["pages"])
    always = set.intersection(*({*figures["rules"]} for figures in past.versions))
    for rule in sorted(always):
        rates = [_ratio(f["rules"][rule], f["pages"]) for f in past.versions]
        expected, hits = median(rates) * pages, past.today["rules"].get(rule, 0)
        most = past.limits["history.rule-factor"] * max(expected, 5) + HITS_A_PAGE * new
        is_silent = not hits and expected >= past.limits["history.rule-hits"]
        if is_silent or hits > most:
            yield {"of": rule, "now": f"{hits:,} hits", "before": f"about {expected:,.0f}"}


def _sites(past: _Past) -> Iterator[dict[str, Any]]:
    """Sites of which much less is kept than before."""
    for site, (documents, chars, read) in past.today["sites"].items():
        before = [f["sites"][site] for f in past.versions if site in f["sites"]]
        if documents < MIN_SITE_PAGES or len(before) < past.limits["history.min-versions"]:
            continue
        usual = median(_ratio(kept, whole) for _, kept, whole in before)
        growth = abs(documents - before[-1][0]) / max(documents, before[-1][0])
        share = _ratio(chars, read)
        if usual - share > past.limits["history.site"] + growth:
            yield {"of": site, "now": f"{share:.0%} kept", "before": f"{usual:.0%}"}
