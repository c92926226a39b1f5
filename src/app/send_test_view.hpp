// The letter of a send-test, and what its course comes to in words. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/dkim/verifier.hpp"
#include "base/clock.hpp"
#include "delivery/diagnosis.hpp"

namespace posthorn::app {

struct TestLetter {
    std::string from;  // an address; envelope and From are the same
    std::string to;
    std::string hostname;     // ours, for Message-ID
    std::string mark;         // unique, of letters, digits and dots
    std::string envelope_id;  // delivery::kSendTestEnvelopeId and the mark

    // Header and body, lines ended by CRLF, ASCII alone: what is signed of it is what leaves.
    [[nodiscard]] std::string text(TimePoint now) const;
};

enum class TestFate : std::uint8_t { under_way, delivered, refused, waits };

// Of the answer of `posthorn why ID`: under way until it was tried, or something keeps it from being tried.
[[nodiscard]] TestFate fate_of(const boost::json::object& why);

// "delivered" and the like: such an event of a recipient says what became of him.
[[nodiscard]] bool tells_fate(std::string_view event);

// Lines of a session (smtp::protocol::Transcript, whose control characters are escaped) as they are shown:
// each with blanks before it and LF behind it.
[[nodiscard]] std::string session_text(std::string_view lines);
// Of the session as the journal has it, the lines that were not seen as they happened; empty where nothing
// but what the journal left out is missing.
[[nodiscard]] std::string unseen_session(std::string_view kept, const std::vector<std::string>& seen);

// What a receiver makes of it. The signatures as they were made, verified with the keys in DNS; the diagnosis
// of SPF, DKIM, DMARC, reverse DNS.
struct TestProofs {
    bool seen = false;  // the signature could be seen; without it nothing is known of it
    std::vector<auth::dkim::SignatureReport> signatures;
    std::optional<delivery::Diagnosis> diagnosis;
};
[[nodiscard]] std::string proofs_text(const TestProofs& proofs);

// 0: delivered, and every proof holds. 1: refused for good. 2: delivered, but a receiver finds fault with it.
// 75: not delivered yet, or DNS did not say.
inline constexpr int kDeliveredWithFaults = 2;
[[nodiscard]] int exit_code_of_test(TestFate fate, const TestProofs& proofs);

}  // namespace posthorn::app
