// The rules of picking up spool files: which are taken, which are put aside, which are left, and when their names are forgotten.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "intake/intake.hpp"
#include "mail/handoff.hpp"
#include "queue/store.hpp"

namespace posthorn::intake {

// What stands in <spool>/new, as it was looked at without believing anything of it. Anybody may put anything there.
struct SpoolEntry {
    enum class Kind : std::uint8_t { file, symlink, other };  // other: a directory, a FIFO, a socket, a device
    std::string name;
    int error = 0;             // errno, of looking at it or opening it
    Kind kind = Kind::file;    // of the opened file, or of the name where it was not opened
    std::uint32_t uid = 0;     // of the owner: who hands over (SM-32)
    std::uint32_t gid = 0;
    std::uint32_t mode = 0640;
    // What the setgid bit of the spool gives to all that is written there; nothing where the directory has no such bit.
    std::optional<std::uint32_t> spool_gid;
    std::uint64_t links = 1;
    std::uint64_t size = 0;
    TimePoint modified{};
    // Which one it is, and whether it was touched since: for what stays where it is.
    std::uint64_t inode = 0;
    std::int64_t changed = 0;  // nanoseconds of st_ctim
};

struct EntryVerdict {
    enum class Kind : std::uint8_t {
        take,     // read it
        gone,     // somebody else removed it
        refuse,   // will never be mail: it is put aside, into <spool>/refused
        leave,    // cannot be taken until somebody changes something: it stays, and is told once
        later,    // our trouble: it stays for the next scan
    };
    Kind kind = Kind::take;
    std::string reason;        // for the log; what is to be done where the operator can do something
};
[[nodiscard]] EntryVerdict judge(const SpoolEntry& entry);
// A record that the reader has found at fault. What a newer program wrote is left for a newer daemon.
[[nodiscard]] EntryVerdict judge(mail::HandoffFault fault);

// Why a record that is whole cannot have been written by our program, though its checksum is right: anybody can compute one. Octets
// that would reach the wire or the log unchecked. Empty: nothing is wrong with it.
[[nodiscard]] std::string forged(const mail::Handoff& handoff);

// A recipient that the session would have refused at RCPT. Takes those out of the envelope.
struct RefusedRecipient {
    mail::EnvelopeRecipient recipient;
    std::uint16_t code = 550;
    std::string_view enhanced;  // of static storage
    std::string text;
};
[[nodiscard]] std::vector<RefusedRecipient> refuse_malformed(mail::Envelope& envelope);

// A file of <spool>/tmp whose program is gone: so old, or with a time so far in the future that it would never be.
[[nodiscard]] bool is_abandoned(TimePoint modified, TimePoint now, Duration after);

// The name an entry gets in <spool>/refused: the owner before it, so that names of two users never meet.
[[nodiscard]] std::string refused_name(const SpoolEntry& entry, unsigned attempt);

// To whom a report about a handed-over message goes that intake refuses: the sender it would have had. Empty: to nobody, for the
// null one was asked for. `beginning`: of the message as it was handed over, its header at least as far as it goes.
[[nodiscard]] std::string report_to(const Submission& submission, const mail::Envelope& envelope, std::string_view beginning);

// Keys are forgotten when nobody can bring their hand-over again (mail/handoff.hpp, EXACTLY ONCE).
inline constexpr Duration kRememberPickup = std::chrono::hours(1);
inline constexpr Duration kRememberUnseen = std::chrono::hours(24);
struct LastScan {
    TimePoint began{};         // of the earliest of the last whole scans of all spools; 1970: there is none
    // Whether a file of that name is in any spool, and still to be dealt with.
    std::function<bool(std::string_view name)> present;
};
// Of these: stored at least kRememberPickup before the scan that did not see them; or kRememberUnseen before `now`, where some
// spool cannot be read, for the list must not grow for ever.
[[nodiscard]] std::vector<std::string> forgettable(const std::vector<queue::Pickup>& remembered, const LastScan& scan, TimePoint now);

}  // namespace posthorn::intake
