// The record of a message that the sendmail program leaves in the spool when the daemon cannot be reached (SM-31, SM-32).
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mail/envelope.hpp"

// THE SPOOL. <spool>/tmp and <spool>/new, both of mode 3733. The program writes <spool>/tmp/NAME (mode 0640, O_EXCL), syncs it, renames
// it to <spool>/new/NAME and syncs <spool>/new; only then does it exit 0. What stands in new/ is complete: a record that the reader
// finds broken was damaged or is a forgery, never "still being written". What is in tmp/ belongs to a running program, or to one that
// was killed; after a day nobody will finish it.
//
// THE RECORD. Lines that end in LF:
//     posthorn-handoff 1
//     user: 33 www-data               claims about the caller; the daemon believes the file's owner (SM-32)
//     process: 812 php-fpm:+20pool+20www
//     directory: /srv/shop            the caller's working directory
//     name: Anna+20Blume              for a From field that is missing (SM-4)
//     sender: default                 or <ADDRESS>, or <> for the null reverse-path (SM-3)
//     body: 7BIT|8BITMIME
//     smtputf8:
//     requiretls:
//     return: FULL|HDRS               RFC 3461
//     envid: XTEXT
//     recipient: ADDRESS NOTIFY ORCPT   once each; NOTIFY is a number, bits of mail::Notify; an ORCPT of none is "-"
//     (an empty line)
// Values that come from people are xtext (mail/xtext.hpp). Lines that are not needed are missing; names that the reader does not know
// are skipped, so that a newer program may claim more. Then the message's octets in CRLF form, Bcc removed, nothing generated; then the
// end record of kHandoffEndOctets octets:
//     LF posthorn-end <20 digits: octets of the message> <8 hexadecimal digits: CRC-32 of all before the end record> LF
//
// EXACTLY ONCE. NAME is unique: time, process, 64 random bits (handoff_name). The key under which the daemon remembers it is the
// caller's uid as the KERNEL tells it (SO_PEERCRED, fstat) together with NAME, so that nobody can spoil another's:
//     handoff_key(uid, NAME) = "33/NAME"    -> NewMessage::pickup, unique in the store, written in the message's own transaction
//  - over the unix socket the program sends MAIL FROM:<...> XHANDOFF=NAME (a parameter of the keyword XCALLER). When the connection
//    breaks, or 10 s pass, between the end of the message and its 250, the message may be stored or not; the program spools it under
//    the SAME NAME. If the daemon had it, pickup's add() says StoreFault::known and the file is removed: once.
//  - the daemon answers a second XHANDOFF of a stored NAME with 250, too: it has the message.
//  - when to forget a key: after a scan of the whole spool that began ten minutes or more after the key was stored. The program decides
//    within seconds, so by then the file would have been there.
//  - over TCP there is no uid, so no XHANDOFF: there a lost 250 means that the message is sent again (RFC 5321 s4.2.5, s6.1).
namespace posthorn::mail {

inline constexpr std::string_view kHandoffMagic = "posthorn-handoff 1\n";
inline constexpr std::size_t kHandoffEndOctets = 44;
// Of the lines before the message: enough for some 10 000 recipients.
inline constexpr std::size_t kMaxHandoffHead = std::size_t{4} << 20U;
inline constexpr std::size_t kMaxHandoffName = 64;

struct Handoff {
    // Claims: shown to the operator, never a ground to allow anything.
    std::uint32_t uid = 0;
    std::string user;      // may be empty: no passwd entry where the program ran
    std::uint32_t pid = 0; // of the process that called sendmail
    std::string command;   // its command line, shortened
    std::string directory; // its working directory; may be empty

    std::string name;            // -F or the environment's NAME or the passwd entry's; may be empty
    bool sender_asked = false;   // false: "default": derive it; envelope.reverse_path is empty then
    Envelope envelope;           // recipients may be bare local names ("root")
    friend bool operator==(const Handoff&, const Handoff&);
};

// "0006443a1c9d2e40.812.9f86d081884c7d65": microseconds of the clock, process, random octets; sorts by age.
[[nodiscard]] std::string handoff_name(std::uint64_t microseconds, std::uint32_t pid, std::uint64_t random);
// What handoff_name could have made, near enough to be a file's name, a parameter of MAIL and a key: 1 to kMaxHandoffName of
// [0-9a-z.], not beginning with a dot.
[[nodiscard]] bool is_handoff_name(std::string_view text);
[[nodiscard]] std::string handoff_key(std::uint32_t uid, std::string_view name);

// CRC-32 (ISO-HDLC, that of zlib and gzip) of octets that come in pieces.
class Crc32 {
public:
    void update(std::string_view octets);
    [[nodiscard]] std::uint32_t value() const { return ~state_; }

private:
    std::uint32_t state_ = 0xffffffffU;
};

// Makes the octets of one record; owned by the one who writes the file. head(), then body() for each piece, then end(). What body()
// is given is written by the caller as it is.
class HandoffWriter {
public:
    [[nodiscard]] std::string head(const Handoff& handoff);
    void body(std::string_view octets);
    [[nodiscard]] std::string end();

private:
    Crc32 crc_;
    std::uint64_t octets_ = 0;
};

enum class HandoffFault : std::uint8_t {
    none,
    not_a_record,     // the first line is another
    other_version,    // "posthorn-handoff 2": of a newer program
    bad_line,         // a line before the message that cannot be read
    head_too_long,    // over kMaxHandoffHead
    no_recipients,
    no_end,           // the end record is not there: cut off
    wrong_length,     // it names another length
    wrong_sum,        // octets were changed
};
// One sentence's part for the log: "it is cut off: the end record is missing".
[[nodiscard]] std::string_view to_string(HandoffFault fault);

// Reads a record that comes in pieces. GUARANTEE: any slicing gives the same handoff, message and fault. Memory: the head and
// kHandoffEndOctets. A fault in the head shows at once; nothing of the message may be believed before finish() says none.
class HandoffReader {
public:
    // The message's octets that this chunk brought to light, in this order. Valid until the next call.
    struct BodyPart {
        std::string_view held;   // octets of earlier chunks that are not of the end record
        std::string_view fresh;
    };
    [[nodiscard]] BodyPart feed(std::string_view chunk);
    [[nodiscard]] HandoffFault finish();

    // True when the lines before the message were read without a fault: handoff() is complete.
    [[nodiscard]] bool has_head() const { return in_body_; }
    [[nodiscard]] const Handoff& handoff() const { return handoff_; }
    [[nodiscard]] HandoffFault fault() const { return fault_; }
    [[nodiscard]] std::uint64_t body_octets() const { return octets_; }

private:
    void read_head();
    [[nodiscard]] HandoffFault read_line(std::string_view line);

    HandoffFault fault_ = HandoffFault::none;
    bool in_body_ = false;
    std::string head_;     // until it is whole
    std::string pending_;  // the last octets: the end record, perhaps
    std::string shown_;    // what `held` points into
    Crc32 crc_;
    std::uint64_t octets_ = 0;
    Handoff handoff_;
};

}  // namespace posthorn::mail
