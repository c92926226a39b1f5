// Fuzzes the reader of PROXY headers. Input: the octets a proxy sends; the slicing comes from the input's size.
#include <string>

#include "law.hpp"
#include "smtp/protocol/proxy_header.hpp"

using namespace posthorn;
using smtp::protocol::ProxyHeader;
using smtp::protocol::ProxyHeaderReader;

namespace {

struct Read {
    ProxyHeaderReader::Progress progress = ProxyHeaderReader::Progress::incomplete;
    std::size_t taken = 0;
    ProxyHeader header;
    std::string problem;
    bool operator==(const Read&) const = default;
};

Read read(std::string_view wire, std::uint8_t seed) {
    Read result;
    ProxyHeaderReader reader;
    for (fuzz::Slices slices(wire, seed);
         !slices.empty() && result.progress == ProxyHeaderReader::Progress::incomplete;) {
        const std::string_view piece = slices.next();
        const auto step = reader.feed(piece);
        result.progress = step.progress;
        result.taken += step.taken;
        fuzz::require(step.taken <= piece.size(), "no more is taken than was given");
        fuzz::require(step.progress != ProxyHeaderReader::Progress::incomplete || step.taken == piece.size(),
                      "an unfinished header takes all");
    }
    if (result.progress == ProxyHeaderReader::Progress::complete) result.header = reader.header();
    if (result.progress == ProxyHeaderReader::Progress::malformed) {
        result.problem = reader.problem();
        result.taken = 0;
        fuzz::require(!result.problem.empty(), "what is wrong is said");
    }
    return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view wire(reinterpret_cast<const char*>(data), size);
    const Read whole = read(wire, 0);
    fuzz::require(read(wire, static_cast<std::uint8_t>(1 + size % 255)) == whole, "any slicing gives the same header");
    if (whole.progress == ProxyHeaderReader::Progress::incomplete) {
        fuzz::require(size < ProxyHeaderReader::kMaxVersion2, "a header has an end");
    }
    if (whole.progress == ProxyHeaderReader::Progress::complete) {
        fuzz::require(whole.header.version == 1 || whole.header.version == 2, "a header has a version");
        fuzz::require(whole.taken <= ProxyHeaderReader::kMaxVersion2, "a header is short");
        fuzz::require(read(wire.substr(0, whole.taken), 0) == whole, "what follows a header does not change it");
        fuzz::require(read(wire.substr(0, whole.taken - 1), 0).progress == ProxyHeaderReader::Progress::incomplete,
                      "a header ends where it ends");
    }
    return 0;
}
