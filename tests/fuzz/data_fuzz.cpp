// Fuzzes the DATA codec. Input: octets as they come after DATA, also taken as a body to be stuffed.
#include <string>
#include <tuple>

#include "law.hpp"
#include "smtp/protocol/data_codec.hpp"

using namespace posthorn;
using namespace posthorn::smtp::protocol;

namespace {

auto show(const DataFacts& f) {
    return std::make_tuple(f.size, f.longest_line, f.bare_cr, f.bare_lf, f.nul, f.has_8bit,
                           f.has_leading_dot);
}

struct Decoded {
    bool ended = false;
    std::string content;
    std::size_t consumed = 0;
    DataFacts facts;
};

Decoded decode(std::string_view wire, std::uint8_t seed) {
    Decoded out;
    DataDecoder decoder;
    for (fuzz::Slices slices(wire, seed); !slices.empty() && !out.ended;) {
        std::string_view piece = slices.next();
        const std::size_t before = piece.size();
        out.ended = decoder.feed(piece, out.content);
        fuzz::require(out.ended || piece.empty(), "all is taken until the end");
        out.consumed += before - piece.size();
    }
    out.facts = decoder.facts();
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view wire(reinterpret_cast<const char*>(data), size);
    const Decoded whole = decode(wire, 0);
    const Decoded sliced = decode(wire, static_cast<std::uint8_t>(1 + size % 255));
    fuzz::require(whole.ended == sliced.ended && whole.content == sliced.content &&
                      whole.consumed == sliced.consumed && show(whole.facts) == show(sliced.facts),
                  "any slicing gives the same content");
    fuzz::require(whole.facts.size == whole.content.size(), "size counts the content");
    // The plain reading of RFC 5321 s4.1.1.4 beside the fast one.
    const auto end = std::string("\r\n").append(wire).find("\r\n.\r\n");
    fuzz::require(whole.ended == (end != std::string::npos), "only CRLF.CRLF ends");
    if (whole.ended) fuzz::require(whole.consumed == end + 3, "it ends at the first one");

    std::string coded;
    append_stuffed(coded, wire);
    const Decoded back = decode(coded, static_cast<std::uint8_t>(1 + size % 255));
    const bool whole_lines = wire.empty() || wire.ends_with("\r\n");
    if (!back.facts.bare_lf && !back.facts.bare_cr) {
        fuzz::require(back.ended && back.consumed == coded.size(), "what was stuffed ends where it ends");
        fuzz::require(back.content == std::string(wire) + (whole_lines ? "" : "\r\n"),
                      "what was stuffed comes back");
    }
    return 0;
}
