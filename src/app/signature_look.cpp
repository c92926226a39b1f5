// The questions of the verifier, asked by the rounds of delivery/inquiry.hpp.
#include "app/signature_look.hpp"

#include <utility>
#include <variant>

#include "delivery/inquiry.hpp"

namespace posthorn::app {
namespace {

constexpr auto kVerifyPatience = std::chrono::seconds(30);

// Named, since a coroutine may not build it within a co_await (docs/COROUTINES.md).
delivery::DnsRules signature_rules(const std::string& message, TimePoint now) {
    delivery::DnsRules rules;
    rules.wanted = [&message, now](const auth::DnsAnswers& known) {
        auto step = auth::dkim::verify(message, known, now);
        auto* questions = std::get_if<std::vector<auth::DnsQuestion>>(&step);
        return questions != nullptr ? std::move(*questions) : std::vector<auth::DnsQuestion>();
    };
    return rules;
}

}  // namespace

net::awaitable<void> look_at_signatures(dns::Resolver& resolver, const std::string& message, TimePoint now, SignatureReports& found) {
    delivery::DnsRules rules = signature_rules(message, now);
    delivery::DnsViews nothing_known;
    const SteadyTime end = std::chrono::steady_clock::now() + kVerifyPatience;
    const delivery::DnsViews views = co_await delivery::inquire(resolver, std::move(rules), std::move(nothing_known), end);
    auto step = auth::dkim::verify(message, views.at_resolver, now);
    if (auto* reports = std::get_if<SignatureReports>(&step)) found = std::move(*reports);
}

}  // namespace posthorn::app
