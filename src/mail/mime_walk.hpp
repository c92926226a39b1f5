// Goes through a body part by part while its octets stream by (RFC 2046 s5.1).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "mail/mime_part.hpp"

namespace posthorn::mail {

struct MimePart {
    ContentType type;
    TransferEncoding encoding = TransferEncoding::identity;
    bool is_container = false;  // a multipart whose parts follow
    bool frozen = false;        // is sealed, or an attached message: not for an encoding of its own
    bool sealed = false;        // lies in a signed or encrypted multipart (RFC 1847), or cannot be looked into: never changed
};

// Is told all octets of the body in order, each exactly once.
class MimeVisitor {
public:
    virtual ~MimeVisitor() = default;
    virtual void structure(std::string_view octets) = 0;   // preamble, delimiters with their line ends, epilogue
    // `header` with its empty line, as it stands in the body; empty for the message itself, whose header is elsewhere.
    virtual void part(const MimePart& part, std::string_view header) = 0;
    virtual void content(std::string_view octets) = 0;     // of the last part that is no container
    virtual void part_end() = 0;                           // of it
};

// GUARANTEE: any slicing visits the same parts with the same content. Memory: one part's header (64 KiB at most) and one line
// that may be a delimiter. At most kMaxDepth multiparts inside each other are opened; deeper ones are frozen parts.
class MimeWalk {
public:
    static constexpr std::size_t kMaxDepth = 20;
    static constexpr std::size_t kMaxHeader = 64 * 1024;

    // Of the message itself. The visitor outlives the walk, and hears of the message at once.
    MimeWalk(ContentType type, TransferEncoding encoding, MimeVisitor& visitor);

    void feed(std::string_view octets);
    void finish();
    // The parts cannot be told from each other for certain: a line that only begins like a delimiter, an endless header.
    [[nodiscard]] bool doubtful() const { return doubtful_; }

private:
    struct Level {
        std::string delimiter;   // "--" and the boundary
        bool frozen = false;
        bool digest = false;     // RFC 2046 s5.1.5: parts are messages by default
    };
    enum class Where { structure, header, content };

    void enter(MimePart part, std::string_view header);
    void leave();
    void text(std::string_view octets);
    void text_line_end();
    void end_header();
    [[nodiscard]] bool may_be_delimiter() const;
    void line_done();
    bool take_delimiter(std::string_view line);

    MimeVisitor& visitor_;
    std::vector<Level> levels_;
    Where where_ = Where::structure;
    bool doubtful_ = false;
    bool in_line_ = false;       // the rest of a line that is no delimiter
    std::string line_;           // a line that may be one, so far
    std::string pending_;        // the line end before, which belongs to a delimiter if one follows
    std::string header_;
    std::size_t header_line_ = 0;   // octets of the header's line under way
};

}  // namespace posthorn::mail
