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

void append_sample(std::string& out, const Metric& metric, const Metric::Sample& sample) {
    out += metric.name;
    char before = '{';
    for (const auto& [name, value] : sample.labels) {
        out += before;
        out += name;
        out += "=\"";
        append_value(out, value);
        out += '"';
        before = ',';
    }
    if (before == ',') out += '}';
    // {} gives the shortest text that reads back the same, and whole numbers without an exponent up to 1e16.
    out += fmt::format(" {}\n", sample.value);
}

}  // namespace

std::string prometheus_text(const std::vector<Metric>& metrics) {
    std::string out;
    for (const Metric& metric : metrics) {
        out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", metric.name, metric.help, metric.name,
                           metric.kind == MetricKind::counter ? "counter" : "gauge");
        for (const Metric::Sample& sample : metric.samples) append_sample(out, metric, sample);
    }
    return out;
}

}  // namespace posthorn
