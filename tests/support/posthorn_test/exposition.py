"""Prometheus' text format, read strictly: families with their kind, help and samples; histograms are checked as they are read."""

import math
import re

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SAMPLE = re.compile(rf"({_NAME})(\{{.*\}})? (\S+)$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')


class Family:
    def __init__(self, name, help):
        self.name, self.help, self.kind = name, help, None
        self.samples = []   # (labels as a dictionary, value); of histograms (labels with le, count) of the buckets
        self.sums = []      # of histograms: (labels, sum, count)

    def value(self, **labels):
        """Of the one sample with these labels; of a histogram the number of observations."""
        source = self.samples if self.kind != "histogram" else [(l, count) for l, _, count in self.sums]
        found = [value for have, value in source if labels.items() <= have.items()]
        if len(found) != 1:
            raise KeyError(f"{self.name}{labels}: {len(found)} samples of {source}")
        return found[0]

    def total(self, **labels):
        source = self.samples if self.kind != "histogram" else [(l, count) for l, _, count in self.sums]
        return sum(value for have, value in source if labels.items() <= have.items())

    def label_names(self):
        return {name for labels, _ in self.samples for name in labels if name != "le"}


def _labels(text):
    labels, rest = {}, text[1:-1] if text else ""
    while rest:
        match = _LABEL.match(rest)
        if not match or match[1] in labels:
            raise ValueError(f"labels: {text}")
        labels[match[1]] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], match[2])
        rest = rest[match.end():]
    return labels


def _check_histogram(family):
    """Buckets rise, end in +Inf, and agree with _count."""
    series = {}
    for labels, value in family.samples:
        series.setdefault(tuple(sorted((k, v) for k, v in labels.items() if k != "le")), []).append((float(labels["le"]), value))
    if len(series) != len(family.sums):
        raise ValueError(f"{family.name}: {len(series)} series of buckets, {len(family.sums)} sums")
    for labels, sum_, count in family.sums:
        buckets = series[tuple(sorted(labels.items()))]
        if buckets != sorted(buckets) or [v for _, v in buckets] != sorted(v for _, v in buckets) or buckets[-1] != (math.inf, count):
            raise ValueError(f"{family.name}{labels}: {buckets}, count {count}")
        if sum_ < 0 or (count == 0 and sum_ != 0):
            raise ValueError(f"{family.name}{labels}: sum {sum_} of {count}")


def parse(text):
    """Families by name. ValueError for whatever a strict reader would not take."""
    families, family = {}, None
    if not text.endswith("\n"):
        raise ValueError("the last line has no end")
    sums, counts = [], []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, help = line[7:].split(" ", 1)
            if name in families:
                raise ValueError(f"{name} is there twice")
            family = families[name] = Family(name, help)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            if family is None or name != family.name or family.kind or kind not in ("counter", "gauge", "histogram"):
                raise ValueError(line)
            family.kind = kind
        else:
            match = _SAMPLE.match(line)
            if not match or family is None or family.kind is None:
                raise ValueError(line)
            labels, value = _labels(match[2]), float(match[3])
            if family.kind == "histogram":
                if match[1] == family.name + "_bucket" and "le" in labels:
                    family.samples.append((labels, value))
                elif match[1] == family.name + "_sum":
                    sums.append((family, labels, value))
                elif match[1] == family.name + "_count":
                    counts.append((family, labels, value))
                else:
                    raise ValueError(line)
            elif match[1] != family.name or any(have == labels for have, _ in family.samples):
                raise ValueError(line)
            else:
                family.samples.append((labels, value))
    for of, labels, value in sums:
        count = [v for f, l, v in counts if f is of and l == labels]
        if len(count) != 1:
            raise ValueError(f"{of.name}{labels}: a sum and {len(count)} counts")
        of.sums.append((labels, value, count[0]))
    for family in families.values():
        if family.kind == "histogram":
            _check_histogram(family)
    return families
