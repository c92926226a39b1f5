// REQUIRETLS (RFC 8689): who is bound by it, what a sender hears, and what reports carry.
#include "delivery/require_tls.hpp"

#include <gtest/gtest.h>

#include "delivery/bounce.hpp"
#include "delivery/route.hpp"

namespace posthorn::delivery {
namespace {

TEST(RequireTls, BindsMessagesWithASender) {  // RFC 8689 s4.2.1, s5
    mail::Message message;
    message.reverse_path = "alice@example.org";
    EXPECT_FALSE(requires_tls(message));
    message.require_tls = true;
    EXPECT_TRUE(requires_tls(message));
    message.reverse_path.clear();
    EXPECT_FALSE(requires_tls(message));
}

TEST(RequireTls, WhatIsLackingIsFinalAndSaid) {  // RFC 8689 s4.2.1: 5.7.30, and 5.7.10 where TLS is missing
    const struct {
        Lacking lacking;
        const char* code;
        const char* words;
    } kTable[] = {
        {Lacking::certainty, "5.7.30", "that mx.example.com takes mail for example.com is not certain"},
        {Lacking::tls, "5.7.10", "mx.example.com offers no TLS"},
        {Lacking::identity, "5.7.10", "does not prove its name (hostname mismatch)"},
        {Lacking::support, "5.7.30", "mx.example.com does not offer REQUIRETLS"},
    };
    for (const auto& row : kTable) {
        const Outcome outcome = tls_not_assured(row.lacking, "example.com", "mx.example.com",
                                                row.lacking == Lacking::identity ? "hostname mismatch" : "");
        EXPECT_EQ(outcome.result, Disposition::failed);
        EXPECT_EQ(outcome.reply.enhanced.to_string(), row.code);
        EXPECT_NE(outcome.reply.joined().find(row.words), std::string::npos) << outcome.reply.joined();
        EXPECT_EQ(outcome.host, "mx.example.com");
        // Also where it waits for hosts not asked yet: no other mail's site may back off for it.
        EXPECT_EQ(outcome.scope, Scope::message);
    }
}

TEST(RequireTls, HostsAreCertainByDnssecOrAsLiterals) {
    dns::MxAnswer answer;
    answer.status = dns::Status::ok;
    answer.hosts = {{10, "mx.example.com"}};
    EXPECT_FALSE(std::get<Route>(route_of("example.com", answer, "h.example")).hosts.front().certain);
    answer.authenticated = true;
    EXPECT_TRUE(std::get<Route>(route_of("example.com", answer, "h.example")).hosts.front().certain);
    EXPECT_TRUE(std::get<Route>(route_of_literal("[192.0.2.1]")).hosts.front().certain);
}

TEST(RequireTls, AReportCarriesItAndOnlyTheHeader) {  // RFC 8689 s5: RET=FULL is disregarded
    mail::Message message;
    message.id = QueueId(1);
    message.reverse_path = "alice@example.org";
    message.header = "Subject: for your eyes\r\n";
    message.ret = mail::DsnReturn::full;
    queue::Recipient bob;
    bob.address = "bob@example.com";
    const Outcome outcome = tls_not_assured(Lacking::support, "example.com", "mx.example.com", {});
    Settling settling;
    settling.recipient = &bob;
    settling.outcome = &outcome;
    BounceFacts facts;
    facts.hostname = "mail.example.org";
    facts.from_domain = "example.org";
    facts.id = QueueId(2);
    facts.original_body = "the secret\r\n";
    for (const bool required : {false, true}) {
        message.require_tls = required;
        const queue::NewMessage bounce = make_bounce(mail::DsnAction::failed, message, {settling}, facts);
        EXPECT_EQ(bounce.message->require_tls, required);
        const std::string& body = *bounce.message->body.bytes;
        EXPECT_EQ(body.find("the secret") == std::string::npos, required);
        EXPECT_NE(body.find("for your eyes"), std::string::npos);
        EXPECT_NE(body.find("Status: 5.7.30"), std::string::npos);
    }
}

}  // namespace
}  // namespace posthorn::delivery
