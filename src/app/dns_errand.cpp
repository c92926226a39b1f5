// An io_context that ends with its errand.
#include "app/dns_errand.hpp"

#include <exception>
#include <memory>

#include "base/log.hpp"
#include "dns/resolver.hpp"

namespace posthorn::app {

Result<void> run_dns_errand(const dns::DnsOptions& options, DnsErrand errand) {
    log::LogOptions quiet;
    quiet.level = log::Level::error;
    log::configure(quiet);
    net::asio::io_context io;
    auto resolver = dns::Resolver::create(io.get_executor(), options);
    if (!resolver) return resolver.error();
    std::exception_ptr thrown;
    net::asio::co_spawn(io, errand(**resolver), [&io, &thrown](std::exception_ptr failure) {
        thrown = std::move(failure);
        net::asio::post(io, [&io] { io.stop(); });
    });
    io.run();
    (*resolver)->close();
    if (!thrown) return {};
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& failure) {
        return Error{failure.what()};
    }
}

}  // namespace posthorn::app
