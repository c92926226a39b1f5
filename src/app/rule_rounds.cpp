// The rounds: a look at the file every so often, as certificates are looked at.
#include "app/rule_rounds.hpp"

#include <utility>

#include "base/log.hpp"
#include "delivery/reply_rule.hpp"

namespace posthorn::app {
namespace {

std::vector<net::FileStamp> stamps_of_file(const std::string& path) {
    return net::stamps_of({net::CertificateFiles{path, path}});
}

}  // namespace

RuleRounds::RuleRounds(net::asio::io_context& home, net::asio::thread_pool& disk, Replace replace)
    : home_(home), disk_(disk), replace_(std::move(replace)), timer_(home) {}

void RuleRounds::follow(std::string path, Duration interval) {
    path_ = std::move(path);
    interval_ = interval;
    ++turn_;
    timer_.cancel();
    if (path_.empty()) return;
    watch_ = net::CertificateWatch();
    watch_.in_force(stamps_of_file(path_));
    arm();
}

void RuleRounds::stop() {
    stopped_ = true;
    timer_.cancel();
}

void RuleRounds::arm() {
    if (stopped_) return;
    timer_.expires_after(interval_);
    timer_.async_wait([this, turn = turn_](const net::error_code& error) {
        // A timer that was about to fire is not held back by cancel().
        if (!error && turn == turn_ && !stopped_) look();
    });
}

void RuleRounds::look() {
    net::asio::post(disk_, [this, watch = watch_, path = path_, turn = turn_]() mutable {
        Finding finding;
        const std::vector<net::FileStamp> stamps = stamps_of_file(path);
        finding.read = watch.look(stamps);
        if (finding.read) finding.loaded = delivery::ProviderRules::load(path);
        if (finding.loaded.rules) watch.in_force(stamps);
        finding.watch = std::move(watch);
        net::asio::post(home_, [this, turn, finding = std::move(finding)]() mutable {
            if (turn != turn_ || stopped_) return;
            found(std::move(finding));
            arm();
        });
    });
}

void RuleRounds::found(Finding finding) {
    watch_ = std::move(finding.watch);
    if (!finding.read) return;
    if (finding.loaded.rules) {
        log::info("rules")
            .kv("file", path_)
            .kv("rules", static_cast<std::uint64_t>(finding.loaded.rules->rules().size()))
            .kv("action", "read anew, in use from the next delivery on");
        replace_(std::move(finding.loaded.rules));
        return;
    }
    if (!watch_.failed()) return;
    for (const delivery::RuleMistake& mistake : finding.loaded.mistakes)
        log::error("rules")
            .kv("error", mistake.to_string())
            .kv("meaning", "the file of rules changed and cannot be used; the rules read before stay in use")
            .kv("action", "looked at again when the file changes, or at a reload");
}

}  // namespace posthorn::app
