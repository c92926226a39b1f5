// Fuzzes spool records: everybody may leave a file in the spool. Octet 0 is the slicing, the rest the file.
#include <string>

#include "law.hpp"
#include "mail/handoff.hpp"

using namespace posthorn;

namespace {

struct Read {
    mail::Handoff handoff;
    std::string body;
    mail::HandoffFault fault = mail::HandoffFault::none;
};

Read read(std::string_view text, std::size_t piece) {
    mail::HandoffReader reader;
    Read result;
    while (!text.empty()) {
        const auto part = reader.feed(text.substr(0, piece));
        result.body += part.held;
        result.body += part.fresh;
        text.remove_prefix(std::min(piece, text.size()));
    }
    result.fault = reader.finish();
    fuzz::require(result.fault != mail::HandoffFault::none || reader.has_head(), "what is whole has a head");
    result.handoff = reader.handoff();
    return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Read whole = read(input, std::max<std::size_t>(input.size(), 1));
    const Read pieces = read(input, data[0] % 97U + 1);
    fuzz::require(whole.fault == pieces.fault, "the fault does not depend on the slicing");
    fuzz::require(whole.body == pieces.body, "nor does the message");
    if (whole.fault != mail::HandoffFault::none) {
        // Every input is made whole once, so that the fuzzer sees what comes behind the checksum.
        mail::HandoffWriter writer;
        mail::Handoff handoff = whole.handoff;
        if (handoff.envelope.recipients.empty()) handoff.envelope.recipients.push_back({"root", "", 0});
        std::string text = writer.head(handoff);
        writer.body(input);
        text += input;
        text += writer.end();
        const Read back = read(text, data[0] % 97U + 1);
        fuzz::require(back.fault == mail::HandoffFault::none, "what was written is read");
        fuzz::require(back.handoff == handoff && back.body == input, "and is the same");
        return 0;
    }
    fuzz::require(whole.handoff == pieces.handoff, "nor do the lines before it");
    fuzz::require(!whole.handoff.envelope.recipients.empty(), "somebody gets it");
    return 0;
}
