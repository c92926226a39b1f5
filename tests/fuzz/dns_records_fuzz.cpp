// What people publish about their mail: SPF, DMARC and DKIM key records. The first octet chooses which.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "auth/dkim/published_key.hpp"
#include "auth/dmarc.hpp"
#include "auth/dns_record.hpp"
#include "auth/spf.hpp"
#include "auth/spf_macro.hpp"
#include "auth/spf_merge.hpp"
#include "auth/spf_record.hpp"
#include "law.hpp"

namespace {

using namespace posthorn;
using namespace posthorn::auth;

// Everything that is asked has the same record, addresses and names: includes of includes, MX hosts without end.
DnsAnswer answer_to(const DnsQuestion& question, const std::string& record) {
    DnsAnswer answer(DnsStatus::ok);
    switch (question.type) {
        case DnsType::txt:
            answer.texts = {record};
            break;
        case DnsType::mx:
        case DnsType::ptr:
            for (int i = 0; i < 11; ++i) answer.texts.push_back("h" + std::to_string(i) + "." + question.name.substr(0, 200));
            break;
        default:
            answer.addresses = {IpAddress::parse("198.51.100.1").value()};
            break;
    }
    if (record.size() % 3 == 1) answer = DnsAnswer(question.type == DnsType::txt ? DnsStatus::ok : DnsStatus::nxdomain);
    if (question.type == DnsType::txt) answer.texts = {record};
    return answer;
}

void fuzz_spf(const std::string& record) {
    const Result<spf::Record> parsed = spf::parse(record);
    if (parsed) (void)spf::suspicions(*parsed);
    fuzz::require(!parsed || spf::is_record(record), "what was parsed is a record");
    for (const char* address : {"192.0.2.1", "2001:db8::1"}) {
        const IpAddress ip = IpAddress::parse(address).value();
        DnsAnswers known;
        unsigned rounds = 0;
        for (;; ++rounds) {
            fuzz::require(rounds < 40, "an evaluation ends");
            const spf::Step step = spf::evaluate(spf::Subject(ip, "example.com", "mail.example.com"), known);
            if (const auto* outcome = std::get_if<spf::Outcome>(&step)) {
                fuzz::require(outcome->lookups <= 11 && outcome->void_lookups <= 3, "an evaluation keeps to its limits");
                break;
            }
            const auto& wanted = std::get<0>(step);
            fuzz::require(!wanted.empty() && wanted.size() <= 11, "a round has a few questions");
            for (const DnsQuestion& question : wanted) {
                fuzz::require(known.find(question) == nullptr, "nothing is asked twice");
                fuzz::require(spf::is_dns_name(question.name), "only names are asked for");
                known.add(question, answer_to(question, record));
            }
        }
        // The repair of any record passes.
        const std::vector<std::string> records = {record};
        const std::vector<IpAddress> ours = {ip};
        const std::string repaired = spf::with_addresses(records, ours);
        DnsAnswers fixed;
        DnsAnswer text(DnsStatus::ok);
        text.texts = {repaired};
        fixed.add(DnsQuestion(DnsType::txt, "example.com"), text);
        const spf::Step step = spf::evaluate(spf::Subject(ip, "example.com", "mail.example.com"), fixed);
        const auto* outcome = std::get_if<spf::Outcome>(&step);
        fuzz::require(outcome != nullptr && outcome->verdict == spf::Verdict::pass, "the repaired record passes");
        (void)zone_file(txt_record("example.com", repaired));
    }
    // What is to be published in place of any record is found in the end.
    const std::vector<IpAddress> both = {IpAddress::parse("192.0.2.1").value(), IpAddress::parse("2001:db8::1").value()};
    DnsAnswers known;
    for (unsigned rounds = 0;; ++rounds) {
        fuzz::require(rounds < 200, "a merge ends");
        const spf::MergeStep step = spf::merge("example.com", both, "mail.example.com", known);
        if (const auto* merge = std::get_if<spf::Merge>(&step)) {
            fuzz::require(spf::is_record(merge->record), "a merge gives a record");
            break;
        }
        for (const DnsQuestion& question : std::get<0>(step)) {
            fuzz::require(known.find(question) == nullptr, "nothing is asked twice");
            known.add(question, answer_to(question, record));
        }
    }
}

void fuzz_dmarc(const std::string& record) {
    const Result<dmarc::Record> parsed = dmarc::parse(record);
    fuzz::require(!parsed || (dmarc::is_record(record) && parsed->percent <= 100), "a DMARC record has its values");
    DnsAnswers known;
    DnsAnswer text(DnsStatus::ok);
    text.texts = {record};
    known.add(DnsQuestion(DnsType::txt, "_dmarc.a.example.com"), text);
    known.add(DnsQuestion(DnsType::txt, "_dmarc.example.com"), text);
    fuzz::require(std::holds_alternative<dmarc::Discovery>(dmarc::discover("a.example.com", known)), "a discovery ends");
}

void fuzz_key(const std::string& record) {
    static const dkim::PrivateKeyPtr key = dkim::PrivateKey::generate(dkim::Algorithm::ed25519).value();
    const std::vector<std::string> records = {record};
    const dkim::KeyFinding finding = dkim::compare(records, *key);
    fuzz::require(!finding.words.empty(), "a finding has words");
    fuzz::require(finding.state != dkim::KeyState::same || record.find(key->public_base64().substr(0, 4)) != std::string::npos, "another key is not ours");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0 || size > 4096) return 0;
    const std::string record(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 3) {
        case 0:
            fuzz_spf(record);
            break;
        case 1:
            fuzz_dmarc(record);
            break;
        default:
            fuzz_key(record);
            break;
    }
    return 0;
}
