// Makes the MIME parts of a body 7-bit while its octets stream by: encodings, labels, attached messages (RFC 6152 s3, EXT-8).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mail/mime_walk.hpp"

namespace posthorn::mail {

// Why a message has no 7-bit form.
struct DowngradeObstacle {
    bool of_addresses = false;  // UTF-8 in a header that has no ASCII form (5.6.7); else of the content (5.6.3)
    std::string what;           // for the sender; empty: there is no obstacle

    explicit operator bool() const { return !what.empty(); }
};

// A whole message, or one that is attached to one: header and body. What is to be done to a part is only known when all of it
// was seen, and its header stands before it; so it is read twice: survey(), rewrite(). Where the octets come from and go to is
// the caller's business.
//
// Text with octets above 127 becomes quoted-printable, or base64 where that is shorter; anything else base64; what was encoded
// already is not encoded again (RFC 2045 s6.4). The label of every part, and of the multiparts and messages around it, is put
// right; UTF-8 in the headers of parts becomes ASCII. message/rfc822 may not be encoded (RFC 2046 s5.2.1): the message inside is
// made 7-bit by the same rules; message/global may (RFC 6532 s3.7).
// Never changed: signed and encrypted multiparts (RFC 1847 s2.1), messages with a DKIM or ARC signature. With octets above 127
// inside they are an obstacle.
//
// GUARANTEE: any slicing gives the same message; one that is 7-bit already comes out as it was, but for labels that claim more.
// Memory: one header, and some octets for each part, of which there are at most kMaxParts; kMaxDepth messages in each other.
class Downgrade {
public:
    static constexpr std::size_t kMaxParts = 10000;
    static constexpr std::size_t kMaxDepth = 8;

    // `header` ends with the CRLF of its last field.
    explicit Downgrade(std::string header, std::size_t depth = 0);
    ~Downgrade();
    Downgrade(const Downgrade&) = delete;
    Downgrade& operator=(const Downgrade&) = delete;

    // First all octets of the body.
    void survey(std::string_view octets);
    void end_of_survey();
    // Then: why it cannot be done. Only a message without octets above 127 in header and body has none for certain.
    [[nodiscard]] const DowngradeObstacle& obstacle() const { return obstacle_; }

    // Then, when it can: the new header, and all octets of the body once more.
    [[nodiscard]] std::string header() const;
    void rewrite(std::string_view octets, std::string& out);
    void end_of_rewrite(std::string& out);

private:
    enum class Change : std::uint8_t { none, quoted_printable, base64, quoted_printable_again, base64_again };
    class Survey;
    class Rewrite;
    class Attached;

    void give_up(bool of_addresses, std::string what);

    std::string header_;
    std::size_t depth_;
    ContentType type_;
    TransferEncoding encoding_ = TransferEncoding::identity;
    DowngradeObstacle obstacle_;
    std::vector<Change> changes_;                      // for each part that is no container
    std::vector<std::unique_ptr<Attached>> attached_;  // messages, in order
    bool has_8bit_ = false, body_is_utf8_ = true;
    std::unique_ptr<Survey> survey_;
    std::unique_ptr<Rewrite> rewrite_;
    std::unique_ptr<MimeWalk> walk_;
};

}  // namespace posthorn::mail
