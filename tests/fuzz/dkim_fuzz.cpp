// Messages with DKIM signatures, and key records, as strangers make them: the verifier ends, says why, and passes nothing that was not signed.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "auth/dkim/canonical.hpp"
#include "auth/dkim/rotation.hpp"
#include "auth/dkim/signer.hpp"
#include "auth/dkim/tag_list.hpp"
#include "auth/dkim/testkey.hpp"
#include "auth/dkim/verifier.hpp"
#include "law.hpp"

namespace {

using namespace posthorn;
using namespace posthorn::auth;

constexpr TimePoint kNow{std::chrono::seconds(1'800'000'000)};

const dkim::PrivateKeyPtr& our_key() {
    static const dkim::PrivateKeyPtr key = dkim::PrivateKey::generate(dkim::Algorithm::ed25519).value();
    return key;
}

std::vector<dkim::SignatureReport> verified(const std::string& message, const std::string& record) {
    DnsAnswers known;
    for (int round = 0; round < 2; ++round) {
        dkim::VerifyStep step = dkim::verify(message, known, kNow);
        if (auto* reports = std::get_if<std::vector<dkim::SignatureReport>>(&step)) return std::move(*reports);
        const auto& wanted = std::get<std::vector<DnsQuestion>>(step);
        fuzz::require(!wanted.empty() && wanted.size() <= dkim::kMostSignatures, "a message asks for a bounded number of keys");
        for (const DnsQuestion& question : wanted) {
            DnsAnswer answer(DnsStatus::ok);
            answer.texts = {record};
            known.add(question, answer);
        }
    }
    fuzz::require(false, "one round of questions suffices");
    return {};
}

// A stranger's octets, with a record of his own or ours.
void fuzz_message(const std::string& message, const std::string& record) {
    for (const dkim::SignatureReport& report : verified(message, record)) {
        fuzz::require(report.result == dkim::SignatureResult::pass || !report.words.empty(), "who does not pass is told why");
        fuzz::require(report.result != dkim::SignatureResult::pass || !report.signed_fields.empty(), "who passes signed something");
    }
}

// What we sign holds, whatever stands in it; and no longer after a change of its body.
void fuzz_signed(std::string body) {
    const std::string header = "From: a@example.com\r\nSubject: x\r\n";
    const std::string_view part = header;
    const Canonical form = body.size() % 2 == 0 ? Canonical::simple : Canonical::relaxed;
    std::string crlf;   // LF alone is no line end of a message
    for (const char c : body)
        if (c != '\n' && c != '\r') crlf += c;
        else crlf += "\r\n";
    const dkim::SigningIdentity identity{"example.com", "s", our_key(), form, form, {}};
    const std::string field = dkim::sign({&part, 1}, dkim::hash_body(crlf, form), identity, kNow).value();
    const std::string record = "v=DKIM1; k=ed25519; p=" + our_key()->public_base64();
    const auto good = verified(field + header + "\r\n" + crlf, record);
    fuzz::require(good.size() == 1 && good[0].result == dkim::SignatureResult::pass, "what we sign holds");
    const auto bad = verified(field + header + "\r\nx" + crlf, record);
    fuzz::require(bad.size() == 1 && bad[0].result == dkim::SignatureResult::fail, "what was changed does not");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0 || size > 16384) return 0;
    const std::string input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t cut = input.find('\0');
    switch (data[0] % 4) {
        case 0:
            fuzz_message(input.substr(0, cut), cut == std::string::npos ? "v=DKIM1; k=ed25519; p=" + our_key()->public_base64() : input.substr(cut + 1));
            break;
        case 1:
            fuzz_signed(input);
            break;
        case 2:
            if (const auto tags = dkim::parse_tags(input))
                for (const dkim::Tag& tag : tags->tags) fuzz::require(tag.begin <= tag.end && tag.end <= input.size(), "a tag lies in its text");
            fuzz::require(!dkim::judge_record(input, *our_key()).words.empty(), "a verdict has words");
            break;
        default:
            if (const auto stages = dkim::KeyStages::parse(input, "stages.json"))
                fuzz::require(dkim::KeyStages::parse(stages->to_json(), "again").has_value(), "what is written is read");
            break;
    }
    return 0;
}
