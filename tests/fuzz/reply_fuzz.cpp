// Fuzzes the reply parser. Input: the octets a server sends; the slicing comes from the input's size.
#include <vector>

#include "law.hpp"
#include "smtp/protocol/extensions.hpp"
#include "smtp/protocol/reply.hpp"

using namespace posthorn;
using namespace posthorn::smtp::protocol;

namespace {

struct Heard {
    std::vector<Reply> replies;
    bool malformed = false;
    bool operator==(const Heard&) const = default;
};

Heard hear(std::string_view wire, std::uint8_t seed) {
    Heard heard;
    ReplyParser parser;
    for (fuzz::Slices slices(wire, seed); !slices.empty();) {
        for (std::string_view piece = slices.next(); !piece.empty();) {
            const auto status = parser.feed(piece);
            if (status == ReplyParser::Status::reply) heard.replies.push_back(parser.take());
            heard.malformed = status == ReplyParser::Status::malformed;
            if (heard.malformed) return heard;
        }
    }
    return heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view wire(reinterpret_cast<const char*>(data), size);
    const Heard whole = hear(wire, 0);
    fuzz::require(hear(wire, static_cast<std::uint8_t>(1 + size % 255)) == whole,
                  "any slicing gives the same replies");
    for (const Reply& reply : whole.replies) {
        fuzz::require(reply.code >= 200 && reply.code <= 599, "a reply has a code");
        fuzz::require(reply.lines.size() <= 100 && !reply.lines.empty(), "a reply has 1 to 100 lines");
        const std::string joined = reply.joined();
        for (char c : joined)
            fuzz::require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f,
                          "joined() is one printable line");
        (void)reply.verbatim();
        (void)parse_extensions(reply);
        std::string out;
        append_wire(out, reply);
        fuzz::require(hear(out, 0).replies.size() == 1, "what is written is one reply");
    }
    return 0;
}
