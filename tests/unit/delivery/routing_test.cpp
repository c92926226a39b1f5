// Rules in their order, by recipient, sender and provider; U-labels, literals and null senders.
#include "delivery/routing.hpp"

#include <gtest/gtest.h>

#include "delivery/provider_rules.hpp"

namespace posthorn::delivery {
namespace {

using Names = std::vector<std::string>;
using Hosts = std::vector<dns::MxHost>;

RouteOptions rule(Names recipients, Names senders, Names providers, std::string to, std::string fallback = {}) {
    RouteOptions out;
    out.recipients = std::move(recipients);
    out.senders = std::move(senders);
    out.providers = std::move(providers);
    out.to = std::move(to);
    out.fallback = std::move(fallback);
    return out;
}

DeliveryOptions with(std::vector<RouteOptions> rules) {
    DeliveryOptions options;
    options.routes = std::move(rules);
    options.providers = ProviderRules::built_in()->providers();
    return options;
}

const Hosts kGoogle = {{5, "gmail-smtp-in.l.google.com"}, {10, "alt1.gmail-smtp-in.l.google.com"}};
const Hosts kOwn = {{10, "mx.example.org"}};

struct Case {
    const char* name;
    std::vector<RouteOptions> rules;
    const char *sender, *recipient;
    const Hosts* mx;
    const char* expected;   // "direct", a relay's name, "direct/fallback", or "ask" for needs_mx
};

std::string shown(const RouteChoice& choice) {
    if (choice.needs_mx) return "ask";
    return (choice.direct() ? std::string("direct") : choice.relay) + (choice.fallback.empty() ? "" : "/" + choice.fallback);
}

TEST(Routing, Table) {
    const Hosts none;
    const Hosts google_last = {{20, "aspmx.l.google.com"}, {10, "mx.example.org"}};
    const Hosts google_best = {{20, "mx.example.org"}, {1, "ASPMX.L.Google.com"}};
    const std::vector<Case> table = {
        {"no rule", {}, "a.example", "b.example", nullptr, "direct"},
        {"a smarthost for everything", {rule({}, {}, {}, "isp")}, "a.example", "b.example", nullptr, "isp"},
        {"and for null senders", {rule({}, {}, {}, "isp")}, "", "b.example", nullptr, "isp"},
        {"and for literals", {rule({}, {}, {}, "isp")}, "a.example", "[192.0.2.1]", nullptr, "isp"},
        {"recipient domain", {rule({"b.example"}, {}, {}, "isp")}, "a.example", "b.example", nullptr, "isp"},
        {"in any case", {rule({"B.Example"}, {}, {}, "isp")}, "a.example", "b.EXAMPLE", nullptr, "isp"},
        {"not below it", {rule({"b.example"}, {}, {}, "isp")}, "a.example", "x.b.example", nullptr, "direct"},
        {"below", {rule({"*.b.example"}, {}, {}, "isp")}, "a.example", "x.y.b.example", nullptr, "isp"},
        {"not itself", {rule({"*.b.example"}, {}, {}, "isp")}, "a.example", "b.example", nullptr, "direct"},
        {"no suffix of a label", {rule({"*.b.example"}, {}, {}, "isp")}, "a.example", "xb.example", nullptr, "direct"},
        {"a whole top level", {rule({"*.example"}, {}, {}, "isp")}, "a.test", "b.example", nullptr, "isp"},
        {"star", {rule({"*"}, {}, {}, "isp")}, "a.example", "b.example", nullptr, "isp"},
        {"any of several", {rule({"c.example", "b.example"}, {}, {}, "isp")}, "", "b.example", nullptr, "isp"},
        {"U-label in the rule", {rule({"b\xC3\xBC" "cher.example"}, {}, {}, "isp")}, "", "xn--bcher-kva.example", nullptr, "isp"},
        {"A-label in the rule", {rule({"xn--bcher-kva.example"}, {}, {}, "isp")}, "", "B\xC3\x9C" "cher.example", nullptr, "isp"},
        {"below a U-label", {rule({"*.b\xC3\xBC" "cher.example"}, {}, {}, "isp")}, "", "x.xn--bcher-kva.example", nullptr, "isp"},
        {"a literal", {rule({"[192.0.2.1]"}, {}, {}, "isp")}, "", "[192.0.2.1]", nullptr, "isp"},
        {"another literal", {rule({"[192.0.2.1]"}, {}, {}, "isp")}, "", "[192.0.2.11]", nullptr, "direct"},
        {"a literal in IPv6", {rule({"[IPv6:2001:db8::1]"}, {}, {}, "isp")}, "", "[IPv6:2001:db8::1]", nullptr, "isp"},
        {"sender domain", {rule({}, {"a.example"}, {}, "isp")}, "a.example", "b.example", nullptr, "isp"},
        {"another sender", {rule({}, {"a.example"}, {}, "isp")}, "c.example", "b.example", nullptr, "direct"},
        {"no sender fits no sender rule", {rule({}, {"a.example"}, {}, "isp")}, "", "b.example", nullptr, "direct"},
        {"no sender fits below nothing", {rule({}, {"*.example"}, {}, "isp")}, "", "b.example", nullptr, "direct"},
        {"both must hold", {rule({"b.example"}, {"a.example"}, {}, "isp")}, "a.example", "c.example", nullptr, "direct"},
        {"both hold", {rule({"b.example"}, {"a.example"}, {}, "isp")}, "a.example", "b.example", nullptr, "isp"},
        {"first match wins", {rule({"b.example"}, {}, {}, "one"), rule({}, {}, {}, "two")}, "", "b.example", nullptr, "one"},
        {"the next rule", {rule({"b.example"}, {}, {}, "one"), rule({}, {}, {}, "two")}, "", "c.example", nullptr, "two"},
        {"an exception", {rule({"b.example"}, {}, {}, "direct"), rule({}, {}, {}, "two")}, "", "b.example", nullptr, "direct"},
        {"a fallback", {rule({}, {}, {}, "direct", "isp")}, "", "b.example", nullptr, "direct/isp"},
        {"provider, before DNS", {rule({}, {}, {"google"}, "isp")}, "", "gmail.com", nullptr, "ask"},
        {"provider", {rule({}, {}, {"google"}, "isp")}, "", "gmail.com", &kGoogle, "isp"},
        {"another provider", {rule({}, {}, {"yahoo", "apple"}, "isp")}, "", "gmail.com", &kGoogle, "direct"},
        {"no provider", {rule({}, {}, {"google"}, "isp")}, "", "example.org", &kOwn, "direct"},
        {"no MX", {rule({}, {}, {"google"}, "isp")}, "", "example.org", &none, "direct"},
        {"the best MX counts", {rule({}, {}, {"google"}, "isp")}, "", "example.org", &google_best, "isp"},
        {"not a backup", {rule({}, {}, {"google"}, "isp")}, "", "example.org", &google_last, "direct"},
        {"no DNS for what a rule before decides", {rule({"gmail.com"}, {}, {}, "one"), rule({}, {}, {"google"}, "isp")}, "", "gmail.com",
         nullptr, "one"},
        {"no DNS for what the sender rules out", {rule({}, {"a.example"}, {"google"}, "isp"), rule({}, {}, {}, "two")}, "c.example",
         "gmail.com", nullptr, "two"},
        {"a literal has no provider", {rule({}, {}, {"google"}, "isp"), rule({}, {}, {}, "two")}, "", "[192.0.2.1]", nullptr, "two"},
    };
    for (const Case& row : table) {
        SCOPED_TRACE(row.name);
        EXPECT_EQ(shown(choose_route(with(row.rules), row.sender, row.recipient, row.mx)), row.expected);
    }
}

TEST(Routing, SaysWhichRule) {
    const auto options = with({rule({"b.example"}, {}, {}, "one"), rule({}, {"a.example"}, {"google", "yahoo"}, "two")});
    EXPECT_EQ(choose_route(options, "", "b.example", nullptr).why, "[[route]] 1 (recipients b.example)");
    EXPECT_EQ(choose_route(options, "a.example", "gmail.com", &kGoogle).why, "[[route]] 2 (senders a.example; providers google, yahoo)");
    EXPECT_EQ(choose_route(options, "c.example", "c.example", nullptr).why, "no [[route]] holds");
    EXPECT_EQ(choose_route(with({}), "", "b.example", nullptr).why, "there is no [[route]]");
}

TEST(Providers, AreKnownByTheirHosts) {
    const auto providers = ProviderRules::built_in()->providers();
    const auto name_of = [&](const char* host) {
        const ProviderOptions* found = provider_of(providers, {{10, host}});
        return found == nullptr ? std::string() : found->name;
    };
    EXPECT_EQ(name_of("aspmx.l.google.com"), "google");
    EXPECT_EQ(name_of("aspmx2.googlemail.com"), "google");
    EXPECT_EQ(name_of("outlook-com.olc.protection.outlook.com"), "outlook");       // PR-29
    EXPECT_EQ(name_of("example-org.mail.protection.outlook.com"), "m365");
    EXPECT_EQ(name_of("example-org.p-v1.mx.microsoft"), "m365");
    EXPECT_EQ(name_of("mta7.am0.yahoodns.net"), "yahoo");
    EXPECT_EQ(name_of("mx01.mail.icloud.com"), "apple");                             // PR-31
    EXPECT_EQ(name_of("mx.example.org"), "");
    EXPECT_EQ(name_of("evilgoogle.com"), "");
    EXPECT_EQ(name_of("google.com.example.org"), "");
    EXPECT_EQ(provider_of(providers, {}), nullptr);
    // PR-29, PR-41: the groups of Microsoft's, consumers and tenants, have five each.
    EXPECT_EQ(provider_of(providers, {{10, "example-org.mail.protection.outlook.com"}})->connections, 5U);
    EXPECT_EQ(provider_of(providers, {{10, "aspmx.l.google.com"}})->connections, 5U);
}

Route route_to(const Names& hosts) {
    dns::MxAnswer answer;
    answer.status = dns::Status::ok;
    for (const std::string& host : hosts) answer.hosts.emplace_back(static_cast<std::uint16_t>(answer.hosts.size()), host);
    return std::get<Route>(route_of("dest.example", answer, "us.example"));
}

std::string group_to(const Names& hosts) {
    static const auto providers = ProviderRules::built_in()->providers();
    const Route route = route_to(hosts);
    return group_of(owner_of(providers, route.hosts), route);
}

// PR-42, and nobody but a provider's own hosts speaks for it: what a stranger's server refuses must stop no mail but its own.
TEST(Providers, AreSpokenForByTheirOwnHostsOnly) {
    EXPECT_EQ(group_to({"gmail-smtp-in.l.google.com", "alt1.gmail-smtp-in.l.google.com", "aspmx2.googlemail.com"}), "google");
    EXPECT_EQ(group_to({"example-org.mail.protection.outlook.com", "ms12345.msv1.invalid"}), "m365");
    EXPECT_EQ(group_to({"not-there.google.com", "mx.stranger.example"}), "mx.stranger.example,not-there.google.com");
    EXPECT_EQ(group_to({"mx.stranger.example", "aspmx.l.google.com"}), "aspmx.l.google.com,mx.stranger.example");
    EXPECT_EQ(group_to({"aspmx.l.google.com", "example-org.mail.protection.outlook.com"}),
              "aspmx.l.google.com,example-org.mail.protection.outlook.com");
    EXPECT_EQ(group_to({"ms12345.msv1.invalid"}), "ms12345.msv1.invalid");
}

// The same of hosts that are no provider's: another's name among his own gives nobody the other's group.
TEST(Providers, GroupsOfOthersCannotBeEntered) {
    EXPECT_EQ(group_to({"mx2.partner.example", "mx1.partner.example"}), "mx1.partner.example");
    EXPECT_EQ(group_to({"mx1.partner.example", "mx2.partner.example"}), "mx1.partner.example");
    EXPECT_EQ(group_to({"mx1.partner.example", "mx.stranger.example"}), "mx.stranger.example,mx1.partner.example");
    EXPECT_EQ(group_to({"zz.stranger.example", "mx1.partner.example"}), "mx1.partner.example,zz.stranger.example");
}

TEST(Providers, RulesGoByTheHostThatSpeaks) {
    const auto providers = ProviderRules::built_in()->providers();
    EXPECT_EQ(speaker_of(providers, "aspmx.l.google.com[192.0.2.1]"), "google");
    EXPECT_EQ(speaker_of(providers, "mx.stranger.example[192.0.2.1]"), "");
    EXPECT_EQ(speaker_of(providers, "[192.0.2.1]"), "");
    // Names of customers' machines below the provider's domain are not the provider's hosts.
    EXPECT_EQ(speaker_of(providers, "c-192-0-2-1.hsd1.ca.comcast.net"), "");
    EXPECT_EQ(speaker_of(providers, "mx1a1.comcast.net"), "comcast");
    EXPECT_EQ(speaker_of(providers, "lfbn-1-2-3.w192-0.abo.wanadoo.fr"), "");
    EXPECT_EQ(speaker_of(providers, "kd192000002001.ppp-bb.dion.ne.jp"), "");
}

TEST(Providers, ATableOfAKnownNameChangesWhatItGives) {
    ProviderOptions google, own;
    google.name = "google";
    google.connections = 2;
    own.name = "freemail";
    own.mx = {"*.freemail.example"};
    const auto providers = ProviderRules::built_in()->with_settings({own, google});
    ASSERT_EQ(providers.size(), 1 + ProviderRules::built_in()->providers().size());
    const ProviderOptions* found = provider_of(providers, kGoogle);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->connections, 2U);
    EXPECT_EQ(found->messages_per_connection, 50U);
    EXPECT_EQ(found->tls, TlsPolicy::required);
    EXPECT_EQ(provider_of(providers, {{1, "mx.freemail.example"}})->name, "freemail");
    EXPECT_EQ(provider_of(providers, {{1, "mx.yahoodns.net"}})->messages_per_connection, 20U);   // PR-19
}

// PR-29: outlook and m365 are groups of their own, and both are "microsoft" to routes and settings.
TEST(Providers, OfAFamilyAreNamedTogether) {
    const Hosts consumer = {{5, "outlook-com.olc.protection.outlook.com"}}, firm = {{5, "x.mail.protection.outlook.com"}};
    const auto options = with({rule({}, {}, {"microsoft"}, "isp")});
    EXPECT_EQ(shown(choose_route(options, "", "outlook.com", &consumer)), "isp");
    EXPECT_EQ(shown(choose_route(options, "", "firm.example", &firm)), "isp");
    EXPECT_EQ(shown(choose_route(options, "", "gmail.com", &kGoogle)), "direct");
    ProviderOptions both;
    both.name = "microsoft";
    both.connections = 3;
    const auto providers = ProviderRules::built_in()->with_settings({both});
    EXPECT_EQ(providers.size(), ProviderRules::built_in()->providers().size());
    EXPECT_EQ(provider_of(providers, consumer)->connections, 3U);
    EXPECT_EQ(provider_of(providers, firm)->connections, 3U);
}

TEST(Routing, ProvidersNobodyKnowsAreProblems) {
    EXPECT_TRUE(routing_problems(with({rule({}, {}, {"microsoft", "google"}, "x")})).empty());
    EXPECT_EQ(routing_problems(with({rule({}, {}, {"gogle"}, "x")})).size(), 1U);
    DeliveryOptions options = with({});
    options.warm_up.providers = {"outlook", "gogle"};
    ProviderOptions own;
    own.name = "freemail";
    options.providers.push_back(own);
    EXPECT_EQ(routing_problems(options).size(), 2U);
}

TEST(Routing, NamesThatAreNoneAreProblems) {
    EXPECT_TRUE(routing_problems(with({rule({"b.example", "*.b\xC3\xBC" "cher.example", "*", "[192.0.2.1]"}, {"*.example"}, {}, "x")})).empty());
    EXPECT_EQ(routing_problems(with({rule({"a..example"}, {}, {}, "x")})).size(), 1U);
    EXPECT_EQ(routing_problems(with({rule({"[192.0.2.300]"}, {}, {}, "x")})).size(), 1U);
    // Would never be equal to what a recipient's domain looks like.
    EXPECT_EQ(routing_problems(with({rule({"[ipv6:2001:DB8::1]"}, {}, {}, "x")})).size(), 1U);
}

}  // namespace
}  // namespace posthorn::delivery
