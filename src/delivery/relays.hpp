// The relays of the configuration, ready for use: hosts with ports, the password read from its file, what TLS must be.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/sasl_client.hpp"
#include "delivery/options.hpp"

namespace posthorn::delivery {

// Immutable; shared by plans, pools and deliveries under way.
struct Relay {
    std::string name;
    std::vector<RelayHost> hosts;        // in the order to try; with ports, names as lower case A-labels
    bool mx = false;
    RelayTls tls = RelayTls::verified;   // never by_port
    auth::SaslCredentials login;         // user empty: no AUTH
    bool on_this_machine = false;        // all its hosts are loopback: nobody listens on the way

    [[nodiscard]] bool wants_login() const { return !login.user.empty(); }
    [[nodiscard]] bool implicit_tls() const { return tls == RelayTls::implicit; }
    [[nodiscard]] std::string site_key() const { return "relay:" + name; }
    // Differs whenever anything above differs, the password too (as a hash): connections made for another one are not reused.
    std::string manner;
};

class Relays {
public:
    // Reads password files. Problems: a file that cannot be read or is empty. Warnings: a file that others can read. Neither
    // ever holds what is in a file. The options are those that the configuration's checks let through.
    [[nodiscard]] static std::shared_ptr<const Relays> load(const std::vector<RelayOptions>& options,
                                                            std::vector<std::string>& problems,
                                                            std::vector<std::string>& warnings);
    // Null: there is no relay of that name.
    [[nodiscard]] std::shared_ptr<const Relay> find(std::string_view name) const;
    [[nodiscard]] bool empty() const { return by_name_.empty(); }

private:
    std::map<std::string, std::shared_ptr<const Relay>, std::less<>> by_name_;
};

}  // namespace posthorn::delivery
