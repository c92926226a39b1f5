// Fuzzes what DNS servers send. Input: an octet that chooses the question's type, the asked name up to a line feed, then the
// reply's octets.
#include <algorithm>
#include <string>
#include <string_view>

#include "dns/answers.hpp"
#include "dns/message.hpp"
#include "law.hpp"

using namespace posthorn;
using namespace posthorn::dns;

namespace {

constexpr RecordType kTypes[] = {RecordType::mx,  RecordType::a,    RecordType::aaaa, RecordType::tlsa,
                                 RecordType::txt, RecordType::cname, RecordType::ptr,
                                 RecordType::ns,  RecordType::soa};

// RFC 1035 s5.1: what is odd is written \ddd, so that a name may be shown, logged and compared.
void require_plain(const std::string& name) {
    fuzz::require(name.size() <= 4 * 255, "a name is bounded");
    fuzz::require(std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < '\x7F'; }), "a name is printable");
    fuzz::require(std::none_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; }), "a name is lower case");
}

void require_sense(const Record& record) {
    require_plain(record.owner);
    fuzz::require(record.ttl.count() >= 0 && record.ttl.count() <= 0x7FFFFFFF, "a TTL is in range");
    switch (record.type) {
        case RecordType::a: fuzz::require(record.text.size() == 4, "an A record is an address"); break;
        case RecordType::aaaa: fuzz::require(record.text.size() == 16, "an AAAA record is an address"); break;
        case RecordType::tlsa: fuzz::require(record.text.size() >= 3, "a TLSA record has its fields"); break;
        case RecordType::txt: fuzz::require(record.text.size() <= 65535, "a TXT record is bounded"); break;
        case RecordType::mx:
        case RecordType::ns:
        case RecordType::soa:
        case RecordType::cname:
        case RecordType::ptr: require_plain(record.text); break;
    }
}

void require_answer(Lookup lookup, RecordType type, const std::string& name) {
    switch (type) {
        case RecordType::mx: {
            const MxAnswer answer = mx_answer(std::move(lookup), name);
            fuzz::require(answer.hosts.size() <= kMaxMxHosts, "hosts are bounded");
            fuzz::require(answer.hosts.empty() || answer.status == Status::ok, "hosts come with ok only");
            fuzz::require(!answer.null_mx || (answer.hosts.empty() && answer.status == Status::ok), "null MX has no hosts");
            fuzz::require(answer.status != Status::no_data, "no MX is an implicit one");
            for (const MxHost& host : answer.hosts) fuzz::require(answer.implicit || !host.name.empty(), "the root is no host");
            break;
        }
        case RecordType::a:
        case RecordType::aaaa: {
            const bool four = type == RecordType::a;
            const AddressAnswer answer = address_answer(four ? &lookup : nullptr, four ? nullptr : &lookup, name);
            fuzz::require((answer.status == Status::ok) != answer.all().empty(), "addresses with ok and only then");
            fuzz::require(answer.all().size() <= kMaxAddresses, "addresses are bounded");
            fuzz::require(!answer.alias_authenticated || !answer.cname_target.empty(), "an alias is secure only where there is one");
            break;
        }
        case RecordType::tlsa: {
            const std::size_t records = lookup.records.size();
            fuzz::require(tlsa_answer(std::move(lookup), name).records.size() == records, "each TLSA record counts");
            break;
        }
        case RecordType::txt: (void)txt_answer(std::move(lookup)); break;
        default: (void)ptr_answer(std::move(lookup)); break;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const RecordType type = kTypes[data[0] % std::size(kTypes)];
    const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string name = canonical_name(rest.substr(0, end));
    const std::string_view reply = rest.substr(std::min(end + 1, rest.size()));
    const auto message = read_message(std::span(reinterpret_cast<const std::uint8_t*>(reply.data()), reply.size()));
    if (!message) return 0;
    fuzz::require(message->answers.size() <= reply.size() / 11, "records come from octets");
    for (const Record& record : message->answers) require_sense(record);

    const Lookup lookup = interpret(*message, name, type);
    fuzz::require((lookup.status == Status::ok) != lookup.records.empty(), "records with ok and only then");
    fuzz::require(lookup.status != Status::ok || !lookup.chain_is_open, "what was found needs no further question");
    fuzz::require(lookup.status != Status::temporary || !lookup.detail.empty(), "what is no answer says why");
    fuzz::require(lookup.ttl.count() >= 0 || lookup.status == Status::temporary, "a TTL is in range");
    for (const Record& record : lookup.records)
        fuzz::require(record.type == type && record.owner == lookup.final_name, "records are of what was asked");
    if (lookup.final_name != canonical_name(name)) require_plain(lookup.final_name);
    require_answer(lookup, type, name);
    return 0;
}
