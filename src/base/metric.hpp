// Figures with a name, as they are shown to operators and to Prometheus.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/histogram.hpp"

namespace posthorn {

// A counter only grows, until the program ends; a gauge is how it is now; a histogram counts measured values by size.
enum class MetricKind : std::uint8_t { counter, gauge, histogram };

// One figure, or a family of them told apart by labels.
struct Metric {
    using Labels = std::vector<std::pair<std::string, std::string>>;
    struct Sample {
        Labels labels;      // names [a-z_]+; values are any text
        double value = 0;
    };
    struct Spread {
        Labels labels;      // none is called "le"
        Histogram values;
    };

    std::string_view name;  // "posthorn_smtp_sessions"; of static storage, in base units, counters end in _total
    std::string_view help;  // one sentence; of static storage
    MetricKind kind = MetricKind::counter;
    std::vector<Sample> samples;   // of counters and gauges
    std::vector<Spread> spreads;   // of histograms

    Metric(std::string_view metric_name, MetricKind what, std::string_view sentence, double value)
        : name(metric_name), help(sentence), kind(what), samples{{{}, value}} {}
    Metric(std::string_view metric_name, MetricKind what, std::string_view sentence, std::vector<Sample> all)
        : name(metric_name), help(sentence), kind(what), samples(std::move(all)) {}
    Metric(std::string_view metric_name, std::string_view sentence, const Histogram& values)
        : name(metric_name), help(sentence), kind(MetricKind::histogram), spreads{{{}, values}} {}
    Metric(std::string_view metric_name, std::string_view sentence, std::vector<Spread> all)
        : name(metric_name), help(sentence), kind(MetricKind::histogram), spreads(std::move(all)) {}
};

// Prometheus' text format, version 0.0.4. Octets that are not UTF-8 in a label's value become '?'.
[[nodiscard]] std::string prometheus_text(const std::vector<Metric>& metrics);

}  // namespace posthorn
