// An io_context that ends with its errand.
#include "app/dns_errand.hpp"

#include <chrono>
#include <exception>
#include <memory>
#include <utility>

#include "base/log.hpp"
#include "dns/resolver.hpp"

namespace posthorn::app {

Result<void> run_dns_errand(const dns::DnsOptions& options, DnsErrand errand) {
    log::LogOptions quiet;
    quiet.level = log::Level::error;
    log::configure(quiet);
    return run_dns_errand(options, std::move(errand), std::stop_token());
}

Result<void> run_dns_errand(const dns::DnsOptions& options, DnsErrand errand, const std::stop_token& stop) {
    net::asio::io_context io;
    auto resolver = dns::Resolver::create(io.get_executor(), options);
    if (!resolver) return resolver.error();
    std::exception_ptr thrown;
    bool ended = false;
    net::asio::co_spawn(io, errand(**resolver), [&io, &thrown, &ended](std::exception_ptr failure) {
        ended = true;
        thrown = std::move(failure);
        net::asio::post(io, [&io] { io.stop(); });
    });
    const std::stop_callback stopping(stop, [&io] { io.stop(); });
    io.run();
    (*resolver)->close();
    if (!ended) {   // its frames refer to the resolver: they end before it does
        io.restart();
        io.run_for(std::chrono::milliseconds(500));
        return Error{"the daemon is shutting down"};
    }
    if (!thrown) return {};
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& failure) {
        return Error{failure.what()};
    }
}

}  // namespace posthorn::app
