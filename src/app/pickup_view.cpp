// Names and help texts of the spool's figures.
#include "app/pickup_view.hpp"

#include <fmt/format.h>

#include <chrono>

namespace posthorn::app {
namespace {

Metric one(std::string_view name, MetricKind kind, std::string_view help, double value) { return Metric(name, kind, help, value); }

std::int64_t seconds(Duration duration) { return std::chrono::duration_cast<std::chrono::seconds>(duration).count(); }

}  // namespace

std::vector<Metric> pickup_metrics(const PickupFigures& figures) {
    std::vector<Metric::Sample> ends;
    const std::pair<const char*, std::uint64_t> results[] = {
        {"stored", figures.picked_up}, {"known", figures.known}, {"reported", figures.reported}, {"put_aside", figures.put_aside}};
    for (const auto& [result, count] : results) ends.push_back({{{"result", result}}, static_cast<double>(count)});
    return {
        Metric("posthorn_spool_files_total", MetricKind::counter,
               "Files of spool directories that were dealt with: stored, known (stored before: a crash, or a connection that broke), "
               "reported (refused, the sender got a report), put_aside (moved to refused/).",
               std::move(ends)),
        one("posthorn_spool_waiting", MetricKind::gauge, "Files in spool directories that wait.", static_cast<double>(figures.waiting)),
        one("posthorn_spool_stuck", MetricKind::gauge, "Of those, files that only the operator can get out of the way.",
            static_cast<double>(figures.stuck)),
        one("posthorn_spool_oldest_seconds", MetricKind::gauge, "Age of the oldest file that waits.",
            static_cast<double>(seconds(figures.oldest))),
        one("posthorn_spool_closed", MetricKind::gauge, "Spool directories that cannot be served.", static_cast<double>(figures.closed)),
    };
}

std::string spool_json(const PickupFigures& figures) {
    return fmt::format(
        R"({{"directories":{},"closed":{},"waiting":{},"stuck":{},"oldest_seconds":{},"picked_up":{},"known":{},"reported":{},)"
        R"("put_aside":{}}})",
        figures.spools, figures.closed, figures.waiting, figures.stuck, seconds(figures.oldest), figures.picked_up, figures.known,
        figures.reported, figures.put_aside);
}

}  // namespace posthorn::app
