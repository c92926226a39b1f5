// The content of chunks: as it is, with no dots stuffed, its line ends watched as DATA's are (RFC 3030 s2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "smtp/protocol/data_codec.hpp"

namespace posthorn::smtp::protocol {

// Looks at the content of one message, in whatever chunks and slices it comes. A line may end in one chunk
// with the CR and in the next with the LF.
//
// GUARANTEE: any slicing of the content gives the same facts.
class ChunkScanner {
public:
    void feed(std::string_view octets);
    // The content is complete. Appends to `out` the CRLF that it does not end with (RFC 5321 s4.1.1.4 has it
    // belong to a message; delivery by DATA needs it).
    void finish(std::string& out);
    [[nodiscard]] const DataFacts& facts() const { return facts_; }

private:
    DataFacts facts_;
    std::uint64_t line_ = 0;  // octets of the line under way, without a CR that may end it
    bool after_cr_ = false;   // the last octet was a CR
};

}  // namespace posthorn::smtp::protocol
