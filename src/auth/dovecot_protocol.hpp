// Dovecot's authentication protocol 1.x, the client's side, as values: octets in, what the server said out;
// and the lines that we say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"

// Source: "Dovecot Authentication Protocol", doc.dovecot.org, developer manual. A line is a command and its
// parameters with TABs between, ended by LF. A parameter's octets NUL, SOH, TAB, CR and LF are escaped with
// SOH.
namespace posthorn::auth {

// Dovecot closes the connection of a client that sends a longer line; all sessions share ours.
constexpr std::size_t kLongestDovecotLine = 16384;

struct DovecotMechanism {
    std::string name;           // upper case
    bool plaintext = false;     // the password itself is sent
    bool not_for_smtp = false;  // anonymous, private, or one that we do not pass on

    friend bool operator==(const DovecotMechanism&, const DovecotMechanism&) = default;
};

// The server's handshake is complete.
struct DovecotReady {
    std::vector<DovecotMechanism> mechanisms;  // as it announces them
};

// The answer to a request that we made.
struct DovecotReply {
    enum class Kind : std::uint8_t {
        proceed,      // a challenge for the client
        granted,      // user is who he says; `data` are last words for the client, if any
        denied,       // wrong password, unknown user, not allowed, disabled, expired: one for the client
        unavailable,  // Dovecot could not look (its database is down)
    };
    Kind kind = Kind::unavailable;
    std::uint32_t id = 0;
    std::optional<std::string> data;  // decoded
    std::string user;                 // the canonical name; may be empty where it is denied
    std::string reason;               // for the log
};

using DovecotEvent = std::variant<DovecotReady, DovecotReply>;

// Reads one connection. After an error it is of no use, nor is the connection.
class DovecotReader {
public:
    // Appends what the octets complete. Commands that we do not know are skipped, and so are parameters.
    // Errors: a line longer than kLongestDovecotLine, another major version, a reply before the handshake's
    // end or without sense.
    [[nodiscard]] Result<void> feed(std::string_view octets, std::vector<DovecotEvent>& events);

private:
    [[nodiscard]] Result<void> line(std::string_view line, std::vector<DovecotEvent>& events);

    std::string line_;  // an unfinished one
    bool version_seen_ = false;
    bool ready_ = false;
    std::vector<DovecotMechanism> mechanisms_;
};

// Names that may be offered to SMTP clients, the best first: those that keep the password to themselves, then
// the others, each as Dovecot orders them. Without CRAM-MD5 and DIGEST-MD5 (AUTH-2), NTLM, EXTERNAL and those
// that end in -PLUS: a channel binding or a client's certificate cannot be handed on in protocol 1.x.
[[nodiscard]] std::vector<std::string> smtp_mechanisms(const std::vector<DovecotMechanism>& announced);

// What Dovecot is told of the connection. Empty: not told.
struct DovecotPeer {
    std::string remote_ip, local_ip;
    std::uint16_t remote_port = 0, local_port = 0;
    std::string session;  // for Dovecot's log
    // No delay for the failures of others at the same address: this machine, through which whole webmails log in.
    bool no_penalty = false;
};

// Each with its LF.
[[nodiscard]] std::string dovecot_hello(std::uint32_t pid);
// Secured: AUTH is only ever offered under TLS, or on this machine by choice. response: decoded; nothing:
// none was given.
[[nodiscard]] std::string dovecot_request(std::uint32_t id, std::string_view mechanism,
                                          const DovecotPeer& peer,
                                          const std::optional<std::string>& response);
[[nodiscard]] std::string dovecot_continue(std::uint32_t id, std::string_view response);
[[nodiscard]] std::string dovecot_cancel(std::uint32_t id);

}  // namespace posthorn::auth
