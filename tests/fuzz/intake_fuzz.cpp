// Fuzzes intake: whatever is handed in, what is stored is a message that SMTP may carry, and any slicing gives the same.
#include <string>
#include <utility>

#include "auth/dkim/canonical.hpp"
#include "base/text.hpp"
#include "intake/intake.hpp"
#include "law.hpp"
#include "mail/header.hpp"
#include "mail/mime_text.hpp"
#include "smtp/protocol/data_codec.hpp"

using namespace posthorn;

namespace {

// The first octet says what the settings are.
intake::Rules rules_of(unsigned octet) {
    intake::Rules rules;
    rules.hostname = "mail.example.net";
    rules.first_domain = (octet & 1U) != 0 ? "first.example" : "";
    rules.options.long_lines = (octet & 2U) != 0 ? intake::LongLines::refuse : intake::LongLines::re_encode;
    rules.options.encode_header = (octet & 4U) == 0;
    rules.options.remove_private_received = (octet & 8U) != 0;
    rules.inline_body_limit = (octet & 16U) != 0 ? 50 : 100000;
    return rules;
}

mail::Envelope envelope_of(unsigned octet) {
    mail::Envelope envelope;
    envelope.reverse_path = (octet & 32U) != 0 ? "" : "shop@example.com";
    envelope.smtputf8 = (octet & 64U) != 0;
    envelope.recipients.emplace_back().address = "bob@example.org";
    return envelope;
}

struct Outcome {
    bool accepted = false;
    std::string reply;
    std::string header;
    std::string body;
    std::uint64_t size = 0;
    auth::dkim::BodyHash hash{};
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome take(std::string_view text, unsigned settings, std::uint8_t seed) {
    intake::Submission submission;
    submission.id = QueueId(1234567890123456789);
    submission.now = TimePoint{std::chrono::seconds(1795294321)};
    submission.helo = "client.example.com";
    submission.protocol = "ESMTP";
    intake::Intake intake(std::make_shared<intake::Rules>(rules_of(settings)), submission, envelope_of(settings));
    std::string file;
    for (fuzz::Slices slices(text, seed); !slices.empty();) {
        intake.feed(slices.next());
        if (intake.wants_spill()) file += intake.take_spill();
    }
    if (intake.spilled()) {
        while (const auto pass = intake.next_pass()) {
            if (*pass == intake::Intake::Pass::survey) file += intake.take_spill();
            const std::string source = *pass == intake::Intake::Pass::rewrite ? std::exchange(file, {}) : file;
            for (fuzz::Slices slices(source, seed); !slices.empty();) {
                intake.feed_again(slices.next());
                if (intake.wants_spill()) file += intake.take_spill();
            }
            intake.end_pass();
        }
    }
    intake::Verdict verdict = intake.finish();
    Outcome outcome;
    if (const auto* refusal = std::get_if<intake::Refusal>(&verdict)) {
        outcome.reply = refusal->text;
        return outcome;
    }
    const mail::Message& message = *std::get<intake::AcceptedMail>(verdict).message;
    outcome.accepted = true;
    outcome.header = message.header;
    outcome.body = intake.spilled() ? file + intake.take_spill() : *message.body.bytes;
    outcome.size = message.body.facts.size;
    outcome.hash = message.relaxed_body_hash;
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const unsigned settings = data[0];
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Outcome whole = take(text, settings, 0);
    fuzz::require(whole == take(text, settings, static_cast<std::uint8_t>(1 + size % 255)), "any slicing gives the same verdict");
    if (!whole.accepted) {
        fuzz::require(!whole.reply.empty() && whole.reply.size() < 500 && text::is_ascii(whole.reply) &&
                          !text::has_control(whole.reply),
                      "a refusal is a line of ASCII");
        return 0;
    }
    const mail::HeaderBlock header(whole.header);
    fuzz::require(!header.fault(), "the header is a header block: fields, CRLF, no control characters, lines <= 998");
    for (const char* name : {"From", "Date", "Message-ID"}) {
        fuzz::require(header.count(name) == 1, "there is one From, Date and Message-ID");
    }
    for (const char* name : {"Subject", "Sender", "To", "Cc", "Reply-To", "Content-Type", "MIME-Version"}) {
        fuzz::require(header.count(name) <= 1, "no other single field stands twice");
    }
    fuzz::require(!header.contains("Bcc") && !header.contains("Return-Path"), "Bcc and Return-Path are gone");
    fuzz::require((settings & 64U) != 0 || text::is_ascii(whole.header), "8-bit headers need SMTPUTF8");
    fuzz::require(text::is_utf8(whole.header), "an 8-bit header is UTF-8");
    fuzz::require(whole.size == whole.body.size(), "the size is that of the body");
    fuzz::require(whole.hash == auth::dkim::hash_body(whole.body, auth::Canonical::relaxed), "the hash is that of the body");
    smtp::protocol::DataDecoder decoder;
    std::string wire;
    smtp::protocol::append_stuffed(wire, whole.body);
    std::string content;
    for (std::string_view rest = wire; !rest.empty() && !decoder.feed(rest, content);) {
    }
    if (!decoder.facts().bare_lf) {
        fuzz::require(!mail::has_long_line(whole.body), "no line of the body is longer than 998 octets");
    }
    // What was repaired needs no repair.
    const Outcome again = take(whole.header + "\r\n" + whole.body, settings, 0);
    if (again.accepted) fuzz::require(again.body == whole.body, "a body is repaired once");
    return 0;
}
