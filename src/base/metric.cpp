// Prometheus' text exposition format.
#include "base/metric.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace posthorn {
namespace {

// Escapes for a label's value: backslash, quotation mark, line feed. Everything else that could fool a reader becomes '?'.
void append_value(std::string& out, std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const char c = text[i];
        if (c == '\\' || c == '"') {
            out += '\\';
            out += c;
            ++i;
        } else if (c == '\n') {
            out += "\\n";
            ++i;
        } else if (text::is_8bit(c)) {
            const std::size_t length = text::safe_utf8_length(text, i);
            if (length == 0) {
                out += '?';
                ++i;
            } else {
                out += text.substr(i, length);
                i += length;
            }
        } else {
            out += text::is_control(c) ? '?' : c;
            ++i;
        }
    }
}

void append_line(std::string& out, std::string_view name, std::string_view suffix, const Metric::Labels& labels, std::string_view bound,
                 std::string_view value) {
    out += name;
    out += suffix;
    char before = '{';
    const auto append_label = [&](std::string_view label, std::string_view text) {
        out += before;
        out += label;
        out += "=\"";
        append_value(out, text);
        out += '"';
        before = ',';
    };
    for (const auto& [label, text] : labels) append_label(label, text);
    if (!bound.empty()) append_label("le", bound);
    if (before == ',') out += '}';
    out += ' ';
    out += value;
    out += '\n';
}

// {} gives the shortest text that reads back the same, and whole numbers without an exponent up to 1e16.
std::string number(double value) { return fmt::format("{}", value); }

// The format's buckets hold what is below them, too; the last one is all there is.
void append_spread(std::string& out, std::string_view name, const Metric::Spread& spread) {
    const Histogram& values = spread.values;
    std::uint64_t up_to = 0;
    for (std::size_t i = 0; i < values.bounds().size(); ++i) {
        up_to += values.in_class(i);
        append_line(out, name, "_bucket", spread.labels, number(values.bounds()[i]), fmt::format("{}", up_to));
    }
    append_line(out, name, "_bucket", spread.labels, "+Inf", fmt::format("{}", values.count()));
    append_line(out, name, "_sum", spread.labels, "", number(values.sum()));
    append_line(out, name, "_count", spread.labels, "", fmt::format("{}", values.count()));
}

std::string_view to_string(MetricKind kind) {
    switch (kind) {
    case MetricKind::counter: return "counter";
    case MetricKind::gauge: return "gauge";
    case MetricKind::histogram: return "histogram";
    }
    return "untyped";
}

}  // namespace

std::string prometheus_text(const std::vector<Metric>& metrics) {
    std::string out;
    for (const Metric& metric : metrics) {
        out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", metric.name, metric.help, metric.name, to_string(metric.kind));
        for (const Metric::Sample& sample : metric.samples) append_line(out, metric.name, "", sample.labels, "", number(sample.value));
        for (const Metric::Spread& spread : metric.spreads) append_spread(out, metric.name, spread);
    }
    return out;
}

}  // namespace posthorn
