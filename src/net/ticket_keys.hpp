// The keys of session tickets: they outlive a reload of the certificate, and a day each.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>

#include "base/clock.hpp"

namespace posthorn::net {

// OpenSSL's own keys belong to one SSL_CTX: each reload would cost every client a full handshake, and they
// never change while the process lives. These belong to the process, are never written anywhere, and are
// forgotten after two periods, so that what was recorded before stays unreadable (RFC 5077 s5.5, RFC 9325
// s3.4: less than a week).
//
// Any thread. Time is an argument; it never goes back.
class TicketKeys {
public:
    struct Key {
        std::array<unsigned char, 16> name{};    // stands in the ticket in the clear
        std::array<unsigned char, 32> cipher{};  // AES-256-CBC
        std::array<unsigned char, 32> mac{};     // HMAC-SHA-256
    };
    struct Found {
        Key key;
        bool old = false;  // the client should get a ticket under the newer key
    };

    explicit TicketKeys(Duration period = std::chrono::hours(24)) : period_(period) {}
    ~TicketKeys();
    TicketKeys(const TicketKeys&) = delete;
    TicketKeys& operator=(const TicketKeys&) = delete;

    // The key of new tickets. No value: the system has no random octets, so no ticket is made.
    [[nodiscard]] std::optional<Key> current(SteadyTime now);
    // The key that a ticket names, if it is this period's or the one's before.
    [[nodiscard]] std::optional<Found> find(std::span<const unsigned char> name, SteadyTime now);

private:
    struct Made {
        Key key;
        SteadyTime at{};
    };
    void age(SteadyTime now);  // all of these: REQUIRES the mutex
    void make(SteadyTime now);
    static void forget(std::optional<Made>& key);

    std::mutex mutex_;
    Duration period_;
    std::optional<Made> newest_, before_;
};

}  // namespace posthorn::net
