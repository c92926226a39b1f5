// What went over a connection, in order and with times, bounded, so that `why` can show the last session of mail that is not delivered.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace posthorn::smtp::protocol {

// Of a text; the queue's journal keeps no more (queue::JournalEntry::transcript).
inline constexpr std::size_t kLongestTranscript = 8 * 1024;

// Owned by one connection, on one thread; knows no clock: `at` is the time since the connection was begun. Octets are kept as
// they came and made into lines by text() alone, so that a message that is delivered costs a copy of its commands and replies.
//
// What is kept: the opening (greeting, EHLO, TLS, login) and the transaction under way, of each the beginning; of a long transaction
// also its end. What lies between is counted. The content of messages is never given here, and of a login only its mechanism.
class Transcript {
public:
    // Sees a line as text() has it, without its end, as soon as it is whole. Must not throw.
    using Follower = std::function<void(std::string_view line)>;

    Transcript();
    ~Transcript();

    void said(Duration at, std::string_view octets) { add(Kind::said, at, octets); }    // by us, as written
    void heard(Duration at, std::string_view octets) { add(Kind::heard, at, octets); }  // from the peer, however it was sliced
    void note(Duration at, std::string_view words) { add(Kind::note, at, words); }      // no octets of SMTP: "connected to ..."
    // Another transaction on the same connection: the one before is forgotten.
    void begin_transaction();
    // From now on in place of who followed before; empty: nobody, which costs nothing. It sees at most kLongestTranscript octets of lines,
    // then one that says so. What it refers to must last until it is replaced: the owner does so before the connection is others'.
    void follow(Follower follower);

    // Lines like
    //      0.012 S: 250 ok
    // with LF behind each: seconds, then C: what we said, S: what the peer said, *: what happened. Control characters and what is
    // not UTF-8 are escaped: no terminal can be fooled with it. At most `limit` octets: the middle goes first.
    [[nodiscard]] std::string text(std::size_t limit = kLongestTranscript) const;

private:
    class Lines;
    enum class Kind : std::uint8_t { said, heard, note };
    struct Piece {
        Kind kind;
        Duration at;
        std::size_t begin;  // in Part::octets; it ends where the next begins
    };
    struct Part {
        std::string octets;
        std::vector<Piece> pieces;
        std::uint64_t left_out = 0;  // octets before it
        void clear();
        void append(Kind kind, Duration at, std::string_view octets);
        void drop_front(std::size_t count);
    };
    void add(Kind kind, Duration at, std::string_view octets);
    static void render(std::string& out, const Part& part);

    std::unique_ptr<Lines> live_;  // null: nobody follows
    Part opening_, begin_, end_;  // begin_ and end_: of the transaction
    std::uint32_t transactions_ = 0;
};

// What may be shown of octets that belong to a login (RFC 4954): the command with its mechanism, "*", and nothing of responses.
[[nodiscard]] std::string without_secrets(std::string_view octets);
// Whole lines of the beginning and of the end, at most `limit` octets in all, with a line between them that says what was left out.
[[nodiscard]] std::string shorten_transcript(std::string text, std::size_t limit = kLongestTranscript);

}  // namespace posthorn::smtp::protocol
