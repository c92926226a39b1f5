// What DNS said, as values for rules that ask it questions without asking anybody: SPF, DMARC, and the diagnosis of both.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/endpoint.hpp"

namespace posthorn::auth {

enum class DnsType : std::uint8_t { a, aaaa, cname, mx, ns, ptr, soa, txt };

[[nodiscard]] std::string_view to_string(DnsType type);

// Names: lower case, no trailing dot, A-labels. Equal questions have equal answers.
struct DnsQuestion {
    DnsType type = DnsType::txt;
    std::string name;

    DnsQuestion() = default;
    DnsQuestion(DnsType kind, std::string about) : type(kind), name(std::move(about)) {}
    friend auto operator<=>(const DnsQuestion&, const DnsQuestion&) = default;
};

// temporary: nothing is known; never to be taken for "there is none".
enum class DnsStatus : std::uint8_t { ok, nxdomain, no_data, temporary };

struct DnsAnswer {
    DnsStatus status = DnsStatus::temporary;
    std::vector<std::string>
        texts;  // TXT: one a record, its strings joined (RFC 7208 s3.3); MX (lowest preference first, "" for the root
                // of a null MX), NS, PTR, CNAME: names
    std::vector<IpAddress> addresses;  // A, AAAA
    std::chrono::seconds ttl{0};       // how long others may still use it; of a negative answer that of the SOA
    std::string detail;                // why there is no answer, for the operator
    bool authentic = false;            // DNSSEC vouches for it, so a resolver says that we trust (dns.trust_ad)

    DnsAnswer() = default;
    explicit DnsAnswer(DnsStatus said) : status(said) {}
    [[nodiscard]] bool known() const { return status != DnsStatus::temporary; }
};

// The answers one place gave so far: a rule is evaluated on them, and names the questions that it misses; its caller asks them, adds what
// was said, and evaluates again. So the rule has no state, no order of arrival matters, and a test is a map.
class DnsAnswers {
public:
    // Null: not asked yet.
    [[nodiscard]] const DnsAnswer* find(const DnsQuestion& question) const {
        const auto found = answers_.find(question);
        return found == answers_.end() ? nullptr : &found->second;
    }
    void add(DnsQuestion question, DnsAnswer answer) { answers_.insert_or_assign(std::move(question), std::move(answer)); }
    [[nodiscard]] std::size_t size() const { return answers_.size(); }

private:
    std::map<DnsQuestion, DnsAnswer> answers_;
};

}  // namespace posthorn::auth
