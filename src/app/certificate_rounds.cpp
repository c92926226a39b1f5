// The rounds: a look at the files every so often, a word about dates once a day.
#include "app/certificate_rounds.hpp"

#include <algorithm>
#include <utility>

#include "app/certificates.hpp"
#include "base/join.hpp"
#include "base/log.hpp"

namespace posthorn::app {
namespace {

constexpr std::chrono::hours kTellAgain{24};

}  // namespace

CertificateRounds::CertificateRounds(net::asio::io_context& home, net::asio::thread_pool& disk,
                                     Replace replace, Clock clock)
    : home_(home), disk_(disk), replace_(std::move(replace)), clock_(clock), timer_(home) {}

void CertificateRounds::follow(config::Config config, std::shared_ptr<net::TicketKeys> tickets,
                               std::shared_ptr<const net::ServerTls> tls) {
    wanted_ = std::make_shared<const Wanted>(Wanted{std::move(config), std::move(tickets)});
    tls_ = std::move(tls);
    timer_.cancel();
    if (!tls_) return;
    watch_.in_force(tls_->stamps());
    tell_dates();
    arm();
}

void CertificateRounds::stop() {
    stopped_ = true;
    timer_.cancel();
}

void CertificateRounds::arm() {
    if (stopped_) return;
    timer_.expires_after(wanted_->config.server.tls.check_interval);
    timer_.async_wait([this](const net::error_code& error) {
        if (!error) look();
    });
}

void CertificateRounds::look() {
    if (clock_() >= tell_again_) tell_dates();
    net::asio::post(disk_, [this, watch = watch_, wanted = wanted_, tls = tls_]() mutable {
        Finding finding = examine(std::move(watch), *wanted, tls.get());
        net::asio::post(home_, [this, wanted = std::move(wanted), finding = std::move(finding)]() mutable {
            // After a reload meanwhile this is about files that nobody wants any more.
            if (wanted != wanted_ || stopped_) return;
            found(std::move(finding));
            arm();
        });
    });
}

CertificateRounds::Finding CertificateRounds::examine(net::CertificateWatch watch, const Wanted& wanted,
                                                      const net::ServerTls* current) {
    Finding finding;
    const TimePoint now = wall_now();
    if (const Result<bool> made = make_due_certificate(wanted.config, now); !made)
        finding.problem = made.error().what;
    const bool changed = watch.look(net::stamps_of(certificate_files(wanted.config)));
    finding.watch = std::move(watch);
    if (!changed) {
        finding.problem.reset();  // the old one still serves, and its end is told by its date
        return finding;
    }
    Result<std::shared_ptr<const net::ServerTls>> loaded = load_certificates(wanted.config, wanted.tickets);
    if (!loaded) {
        finding.problem = loaded.error().what;
    } else if (!*loaded) {
        finding.problem =
            "the file " + certificate_files(wanted.config).front().certificate_file + " is gone";
    } else {
        const auto refused = [&](const net::ServerTls& tls) -> std::string {
            for (const auto& certificate : tls.certificates()) {
                if (const net::DateNotice notice = date_notice(*certificate, now); notice.urgent)
                    return notice.text;
            }
            return {};
        };
        finding.problem.reset();
        if (std::string why = refused(**loaded); !why.empty() && refused(*current).empty()) {
            finding.problem = std::move(why);
        } else {
            finding.tls = *loaded;
        }
    }
    return finding;
}

void CertificateRounds::found(Finding finding) {
    watch_ = std::move(finding.watch);
    if (finding.tls) {
        tls_ = std::move(finding.tls);
        watch_.in_force(tls_->stamps());
        for (const auto& certificate : tls_->certificates()) {
            log::info("certificate")
                .kv("file", certificate->files().certificate_file)
                .kv("names", text::joined(certificate->names(), ","))
                .kv("days_left", days_left(*certificate, wall_now()))
                .kv("action", "read anew, in use from the next connection on");
        }
        for (const std::string& warning : certificate_warnings(*tls_, wanted_->config)) {
            log::warning("certificate").kv("warning", warning);
        }
        tell_dates();
        replace_(tls_);
    } else if (finding.problem && watch_.failed()) {
        log::error("certificate")
            .kv("error", *finding.problem)
            .kv("meaning",
                "the certificate files changed and cannot be used; the one read before stays in use")
            .kv("action", "looked at again when the files change, or at a reload");
    }
}

void CertificateRounds::tell_dates() {
    tell_again_ = clock_() + kTellAgain;
    for (const auto& certificate : tls_->certificates()) {
        const net::DateNotice notice = date_notice(*certificate, wall_now());
        if (notice.text.empty()) continue;
        log::Event event(notice.urgent ? log::Level::error : log::Level::warning, "certificate");
        event.kv("names", text::joined(certificate->names(), ","))
            .kv("days_left", days_left(*certificate, wall_now()))
            .kv("warning", notice.text);
    }
}

}  // namespace posthorn::app
