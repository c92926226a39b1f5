// Tests of mail/received.hpp (RFC 5321 s4.4; SMTP-13, TLS-4, SMTP-37).
#include "mail/received.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/text.hpp"
#include "mail/header.hpp"

namespace posthorn::mail {
namespace {

ReceivedFacts facts() {
    ReceivedFacts facts;
    facts.helo = "client.example";
    facts.client_ip = IpAddress::parse("192.0.2.7").value();
    facts.by = "mail.example.com";
    facts.with = "ESMTPSA";
    facts.id = QueueId(42);
    facts.for_address = "user@example.org";
    facts.tls = "TLS_AES_256_GCM_SHA384";
    facts.date = TimePoint(Duration(1'795'294'321'000));
    return facts;
}

TEST(Received, HasAllClausesInTheOrderOfRfc5321) {
    EXPECT_EQ(make_received(facts()),
              "Received: from client.example ([192.0.2.7]) by mail.example.com with ESMTPSA\r\n"
              "\tid 000000000001a for <user@example.org> tls TLS_AES_256_GCM_SHA384;\r\n"
              "\tSat, 21 Nov 2026 20:52:01 +0000\r\n");
}

TEST(Received, WhatIsNotKnownOrHiddenIsLeftOut) {
    ReceivedFacts some = facts();
    some.client_ip.reset();
    some.for_address.clear();
    some.tls.clear();
    EXPECT_EQ(make_received(some),
              "Received: from client.example by mail.example.com with ESMTPSA\r\n\tid 000000000001a; Sat, 21 "
              "Nov 2026 20:52:01 +0000\r\n");
    some.helo.clear();
    some.with = "local";
    EXPECT_EQ(make_received(some),
              "Received: by mail.example.com with local id 000000000001a;\r\n\tSat, 21 Nov 2026 20:52:01 "
              "+0000\r\n");
}

TEST(Received, ProtocolNames) {  // RFC 3848, RFC 6531 s4.3
    EXPECT_EQ(received_protocol(false, false, false, false), "SMTP");
    EXPECT_EQ(received_protocol(true, false, false, false), "ESMTP");
    EXPECT_EQ(received_protocol(true, true, false, false), "ESMTPS");
    EXPECT_EQ(received_protocol(true, false, true, false), "ESMTPA");
    EXPECT_EQ(received_protocol(true, true, true, false), "ESMTPSA");
    EXPECT_EQ(received_protocol(true, false, false, true), "UTF8SMTP");
    EXPECT_EQ(received_protocol(true, true, true, true), "UTF8SMTPSA");
}

TEST(Received, AClientCannotForgeClausesOrLines) {
    ReceivedFacts evil = facts();
    evil.helo = "x\r\nBcc: y (by z) ; \xc3\xbc\t\"";
    evil.helo += '\0';
    evil.for_address = "u\xc3\xbc@example.org";
    const std::string field = make_received(evil);
    HeaderBlock block(field);
    EXPECT_EQ(block.size(), 1U);
    EXPECT_FALSE(block.fault());
    EXPECT_TRUE(text::is_ascii(field));
    EXPECT_NE(field.find("from x??Bcc:?y??by?z????????? ([192.0.2.7])"), std::string::npos) << field;
    EXPECT_EQ(field.find("for <"), std::string::npos);
}

TEST(Received, LinesStayShort) {
    ReceivedFacts big = facts();
    big.helo = std::string(5000, 'h');
    big.by = std::string(63, 'b') + "." + std::string(63, 'c') + ".example";
    big.for_address =
        std::string(64, 'u') + "@" + std::string(63, 'd') + "." + std::string(63, 'e') + ".example";
    big.client_ip = IpAddress::parse("2001:db8::1").value();
    const std::string field = make_received(big);
    EXPECT_FALSE(HeaderBlock(field).fault());  // among them: no line over 998 octets
    EXPECT_NE(field.find("([IPv6:2001:db8::1])"), std::string::npos);
}

}  // namespace
}  // namespace posthorn::mail
