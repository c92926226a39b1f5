// Looks after the certificates in use: takes renewed ones from disk, and tells in time when they end.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "config/config.hpp"
#include "net/asio.hpp"
#include "net/certificate_watch.hpp"
#include "net/server_tls.hpp"

namespace posthorn::app {

// Owned by the daemon, on the home shard. The files are looked at on the pool's thread, since a dead NFS
// server may hold a stat for minutes. Sessions under way keep the certificate they began with.
class CertificateRounds {
public:
    using Replace = std::function<void(std::shared_ptr<const net::ServerTls>)>;

    using Clock = SteadyTime (*)();

    // replace: called with certificates that were read anew, all of them good. clock: by which a day passes.
    CertificateRounds(net::asio::io_context& home, net::asio::thread_pool& disk, Replace replace,
                      Clock clock = &std::chrono::steady_clock::now);

    // What to look after from now on: at the start, and after each reload. tls: as read by it, may be null.
    void follow(config::Config config, std::shared_ptr<net::TicketKeys> tickets,
                std::shared_ptr<const net::ServerTls> tls);
    void stop();

private:
    struct Wanted {
        config::Config config;
        std::shared_ptr<net::TicketKeys> tickets;
    };
    struct Finding {
        net::CertificateWatch watch;
        std::shared_ptr<const net::ServerTls> tls;  // not null: good, to be used
        std::optional<std::string> problem;
    };

    void arm();
    void look();
    void found(Finding finding);
    void tell_dates();
    static Finding examine(net::CertificateWatch watch, const Wanted& wanted, const net::ServerTls* current);

    net::asio::io_context& home_;
    net::asio::thread_pool& disk_;
    Replace replace_;
    Clock clock_;
    net::asio::steady_timer timer_;
    std::shared_ptr<const Wanted> wanted_;
    std::shared_ptr<const net::ServerTls> tls_;
    net::CertificateWatch watch_;
    SteadyTime tell_again_{};
    bool stopped_ = false;
};

}  // namespace posthorn::app
