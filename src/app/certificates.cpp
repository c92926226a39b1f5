// Certificate files of the configuration, and the self-signed one.
#include "app/certificates.hpp"

#include <cstring>
#include <filesystem>
#include <utility>

#include "auth/secret_file.hpp"
#include "base/log.hpp"
#include "net/self_signed.hpp"

namespace posthorn::app {
namespace {

constexpr std::chrono::days kSelfSignedLifetime{365};
constexpr std::chrono::days kSelfSignedRenewal{30};

// Certificate and key in one file, so that the pair is never half written.
std::string self_signed_file(const config::Config& config) {
    return (std::filesystem::path(config.state_directory) / "tls-self-signed.pem").string();
}

bool serves_still(const config::Config& config, TimePoint now) {
    const std::string file = self_signed_file(config);
    const auto certificate = net::Certificate::load({file, file});
    return certificate && (*certificate)->covers(config.hostname) &&
           (*certificate)->not_after() - now > kSelfSignedRenewal;
}

}  // namespace

std::vector<net::CertificateFiles> certificate_files(const config::Config& config) {
    const smtp::server::ServerTlsOptions& options = config.server.tls;
    std::vector<net::CertificateFiles> pairs;
    if (options.self_signed) pairs.push_back({self_signed_file(config), self_signed_file(config)});
    if (!options.certificate_file.empty()) pairs.push_back({options.certificate_file, options.key_file});
    for (const smtp::server::CertificateOptions& more : options.certificates) {
        pairs.push_back({more.certificate_file, more.key_file});
    }
    return pairs;
}

Result<std::shared_ptr<const net::ServerTls>> load_certificates(const config::Config& config,
                                                                std::shared_ptr<net::TicketKeys> tickets) {
    const std::vector<net::CertificateFiles> pairs = certificate_files(config);
    std::error_code unknown;
    const bool unmade =
        config.server.tls.self_signed && !std::filesystem::exists(pairs.front().key_file, unknown);
    if (pairs.empty() || unmade) return std::shared_ptr<const net::ServerTls>();
    net::ServerTlsRules rules;
    rules.tickets = std::move(tickets);
    if (config.server.tls.min_version == smtp::server::MinTlsVersion::v1_3)
        rules.min_version = net::TlsVersion::v1_3;
    return net::ServerTls::load(pairs, rules);
}

Result<bool> make_due_certificate(const config::Config& config, TimePoint now) {
    if (!config.server.tls.self_signed || serves_still(config, now)) return false;
    const std::string file = self_signed_file(config);
    const Result<net::SelfSigned> made = net::make_self_signed(config.hostname, now, kSelfSignedLifetime);
    if (!made) return made.error();
    std::error_code failed;
    std::filesystem::create_directories(config.state_directory, failed);
    if (failed) {
        return Error{"cannot make the directory " + config.state_directory +
                     " for the self-signed certificate: " + failed.message() +
                     "; set state_directory to one that Posthorn's user may write"};
    }
    const Result<void> written =
        auth::write_secret_file(file, made->certificate + made->key, auth::Existing::replace, 0600);
    if (!written) return written.error();
    log::warning("certificate")
        .kv("file", file)
        .kv("made", "self-signed for " + config.hostname)
        .kv("meaning",
            "clients that check certificates will not trust it; for them set tls.certificate_file");
    return true;
}

std::vector<std::string> certificate_warnings(const net::ServerTls& tls, const config::Config& config) {
    if (tls.covers(config.hostname)) return {};
    std::string names;
    for (const auto& certificate : tls.certificates()) {
        for (const std::string& name : certificate->names()) names += (names.empty() ? "" : ", ") + name;
    }
    return {"no certificate is for the hostname " + config.hostname + ", only for " +
            (names.empty() ? "no name at all" : names) +
            ": clients that connect to the hostname and check it will refuse; have one issued for it"};
}

}  // namespace posthorn::app
