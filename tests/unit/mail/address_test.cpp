// Tests of mail/address.hpp: SMTP paths (RFC 5321 s4.1.2; SMTP-2, SMTP-18, SMTP-20, SMTP-37).
#include "mail/address.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <random>
#include <string>

#include "base/text.hpp"

namespace posthorn::mail {

std::ostream& operator<<(std::ostream& out, AddressFault fault) {
    return out << "fault " << static_cast<int>(fault);
}

namespace {

using namespace std::string_literals;

std::string forward(std::string_view text, bool utf8 = false) {
    const auto path = parse_path(text, PathKind::forward, utf8);
    return path ? path->address.to_string() : "error: " + path.error().what;
}

AddressFault fault(std::string_view text, PathKind kind = PathKind::forward, bool utf8 = false) {
    const auto path = parse_path(text, kind, utf8);
    EXPECT_FALSE(path) << text;
    return path ? AddressFault::trailing_text : path.error().fault;
}

TEST(Path, PlainAddresses) {
    EXPECT_EQ(forward("<user@Example.COM>"), "user@example.com");
    EXPECT_EQ(forward("<User.Name+tag=x@example.com>"), "User.Name+tag=x@example.com");
    EXPECT_EQ(forward("<!#$%&'*+-/=?^_`{|}~@example.com>"), "!#$%&'*+-/=?^_`{|}~@example.com");
    EXPECT_EQ(forward("<user@localhost>"), "user@localhost");
    EXPECT_EQ(forward("<u@xn--bcher-kva.example>"), "u@xn--bcher-kva.example");
}

TEST(Path, SaysWhereTheParametersBegin) {
    const auto path = parse_path("<a@b.example> SIZE=100 BODY=8BITMIME", PathKind::reverse, false);
    ASSERT_TRUE(path);
    EXPECT_EQ(path->consumed, 13U);
    const auto quoted = parse_path("<\"a>b\\\">\"@b.example>NOTIFY", PathKind::forward, false);
    ASSERT_TRUE(quoted);
    EXPECT_EQ(quoted->address.local, "\"a>b\\\">\"");
    EXPECT_EQ(quoted->consumed, 20U);
}

TEST(Path, NullPathOnlyForSenders) {  // SMTP-21
    const auto path = parse_path("<> BODY=7BIT", PathKind::reverse, false);
    ASSERT_TRUE(path);
    EXPECT_TRUE(path->address.is_null());
    EXPECT_EQ(path->consumed, 2U);
    EXPECT_EQ(fault("<>"), AddressFault::null_path);
}

TEST(Path, Smtp18PostmasterNeedsNoDomainAsRecipient) {
    EXPECT_EQ(forward("<Postmaster>"), "Postmaster");
    EXPECT_TRUE(parse_path("<postmaster>", PathKind::forward, false)->address.is_bare_postmaster());
    EXPECT_EQ(fault("<postmaster>", PathKind::reverse), AddressFault::missing_domain);
    EXPECT_EQ(fault("<root>"), AddressFault::missing_domain);
    EXPECT_EQ(fault("<postmasters>"), AddressFault::missing_domain);
    EXPECT_EQ(fault("<postmaster@>"), AddressFault::missing_domain);
}

TEST(Path, Smtp20SourceRoutesAreDropped) {
    EXPECT_EQ(forward("<@a.example,@b.example:u@d.example>"), "u@d.example");
    EXPECT_EQ(forward("<@a.example:\"x y\"@d.example>"), "\"x y\"@d.example");
    EXPECT_EQ(fault("<@a.example,b.example:u@d.example>"), AddressFault::bad_route);
    EXPECT_EQ(fault("<@:u@d.example>"), AddressFault::bad_route);
    EXPECT_EQ(fault("<@example.com>"), AddressFault::empty_local);
    EXPECT_EQ(fault("<@a.example:>"), AddressFault::bad_local);
}

TEST(Path, Smtp20QuotedLocalParts) {
    EXPECT_EQ(forward("<\"john doe\"@example.com>"), "\"john doe\"@example.com");
    EXPECT_EQ(forward("<\"a@b\"@example.com>"), "\"a@b\"@example.com");
    EXPECT_EQ(forward("<\"\"@example.com>"), "\"\"@example.com");
    EXPECT_EQ(fault("<\"open@example.com>"), AddressFault::unterminated);
    EXPECT_EQ(fault("<\"a\"b@example.com>"), AddressFault::bad_local);
    EXPECT_EQ(fault("<\"a\">"), AddressFault::missing_domain);
}

TEST(Path, Smtp20AddressLiterals) {
    EXPECT_EQ(forward("<u@[192.0.2.1]>"), "u@[192.0.2.1]");
    EXPECT_EQ(forward("<u@[ipv6:2001:DB8::1]>"), "u@[IPv6:2001:db8::1]");
    EXPECT_EQ(fault("<u@[192.0.2.1>"), AddressFault::bad_literal);
    EXPECT_EQ(fault("<u@[mail.example]>"), AddressFault::bad_literal);
    EXPECT_EQ(fault("<u@192.0.2.1>"), AddressFault::bad_domain);
    EXPECT_EQ(fault("<u@[192.0.2.1]x>"), AddressFault::bad_domain);
}

TEST(Path, MalformedOnesAreNamed) {
    EXPECT_EQ(fault("user@example.com"), AddressFault::missing_bracket);
    EXPECT_EQ(fault(""), AddressFault::missing_bracket);
    EXPECT_EQ(fault(" <user@example.com>"), AddressFault::missing_bracket);
    EXPECT_EQ(fault("<user@example.com"), AddressFault::unterminated);
    EXPECT_EQ(fault("<"), AddressFault::unterminated);
    EXPECT_EQ(fault("<.a@example.com>"), AddressFault::bad_local);
    EXPECT_EQ(fault("<a..b@example.com>"), AddressFault::bad_local);
    EXPECT_EQ(fault("<a.@example.com>"), AddressFault::bad_local);
    EXPECT_EQ(fault("<a b@example.com>"), AddressFault::bad_local);
    EXPECT_EQ(fault("<a,b@example.com>"), AddressFault::bad_local);
    EXPECT_EQ(fault("<a@b@example.com>"), AddressFault::bad_domain);
    EXPECT_EQ(fault("<<a@example.com>>"), AddressFault::bad_local);
    EXPECT_EQ(fault("<a@example..com>"), AddressFault::bad_domain);
    EXPECT_EQ(fault("<a@example.com.>"), AddressFault::bad_domain);
    EXPECT_EQ(fault("<a@example.com >"), AddressFault::bad_domain);
    EXPECT_EQ(fault("< a@example.com>"), AddressFault::bad_local);
    EXPECT_EQ(fault("<a@-example.com>"), AddressFault::bad_domain);
    EXPECT_EQ(fault("<a@exa_mple.com,x>"), AddressFault::bad_domain);
    EXPECT_EQ(fault("<a!b%c>"), AddressFault::missing_domain);
}

TEST(Path, Smtp2Limits) {
    const std::string local64(64, 'l');
    EXPECT_EQ(forward("<" + local64 + "@example.com>"), local64 + "@example.com");
    EXPECT_EQ(fault("<" + local64 + "x@example.com>"), AddressFault::local_too_long);
    EXPECT_EQ(fault("<\"" + local64 + "\"@example.com>"), AddressFault::local_too_long);
    const std::string label(60, 'd');
    const std::string domain = label + "." + label + "." + label + ".";  // 183 octets
    EXPECT_TRUE(parse_path("<u@" + domain + std::string(60, 'd') + ">", PathKind::forward, false));  // 243
    EXPECT_EQ(fault("<u@" + domain + label + "." + label + ">"), AddressFault::domain_too_long);     // 304
    // 256 octets with the brackets pass, 257 do not.
    const std::string tail = "@" + domain + "dd";
    ASSERT_EQ(tail.size(), 186U);
    EXPECT_TRUE(parse_path("<" + local64 + tail + ".ddd>", PathKind::forward, false));
    EXPECT_EQ(fault("<" + local64 + tail + ".dddd>"), AddressFault::path_too_long);
    // A source route does not count.
    EXPECT_TRUE(parse_path("<@" + label + ".example:" + local64 + tail + ".ddd>", PathKind::forward, false));
}

TEST(Path, Smtp37ControlCharactersAreRefusedEverywhere) {
    for (int c = 0; c < 0x20; ++c) {
        const std::string octet(1, static_cast<char>(c));
        EXPECT_EQ(fault("<a" + octet + "b@example.com>"), AddressFault::control_character) << c;
        EXPECT_EQ(fault("<\"a" + octet + "b\"@example.com>"), AddressFault::control_character) << c;
        EXPECT_EQ(fault("<\"a\\" + octet + "b\"@example.com>"), AddressFault::control_character) << c;
        EXPECT_EQ(fault("<a@exam" + octet + "ple.com>"), AddressFault::control_character) << c;
    }
    EXPECT_EQ(fault("<a@example.com\x7f>"), AddressFault::control_character);
    EXPECT_EQ(fault("<a@b.example>\r\nRCPT TO:<x@y>"s.substr(0, 12) + "\r\n"),
              AddressFault::control_character);
}

TEST(Path, Utf8OnlyWithSmtputf8) {  // RFC 6531 s3.3
    const std::string text =
        "<j\xc3\xbcrgen@b\xc3\xbc"
        "cher.example>";
    EXPECT_EQ(fault(text), AddressFault::needs_smtputf8);
    const auto path = parse_path(text, PathKind::reverse, true);
    ASSERT_TRUE(path);
    EXPECT_EQ(path->address.local, "j\xc3\xbcrgen");
    EXPECT_EQ(path->address.domain, "xn--bcher-kva.example");
    EXPECT_TRUE(path->has_utf8);
    EXPECT_TRUE(path->address.has_utf8());
    const auto domain_only = parse_path(
        "<u@b\xc3\xbc"
        "cher.example>",
        PathKind::reverse, true);
    ASSERT_TRUE(domain_only);
    EXPECT_TRUE(domain_only->has_utf8);
    EXPECT_FALSE(domain_only->address.has_utf8());
    EXPECT_EQ(fault("<j\xfcrgen@example.com>", PathKind::forward, true), AddressFault::bad_utf8);
    EXPECT_EQ(fault("<u@\xe2\x80\xae.example>", PathKind::forward, true), AddressFault::bad_domain);
}

TEST(Path, ErrorsHoldNothingOfTheClients) {
    for (const char* text : {"<\xff\xfe@x>", "<a b@example.com>", "<u@exa(mple.com>", "<u@[evil]>"}) {
        const auto path = parse_path(text, PathKind::forward, true);
        ASSERT_FALSE(path);
        EXPECT_TRUE(text::is_ascii(path.error().what));
        EXPECT_EQ(path.error().what.find("evil"), std::string::npos);
    }
}

TEST(Address, Bare) {
    EXPECT_EQ(parse_address("user@Example.com")->to_string(), "user@example.com");
    EXPECT_EQ(parse_address("<user@example.com>").error().fault, AddressFault::bad_local);
    EXPECT_EQ(parse_address("user@example.com,x@y").error().fault, AddressFault::trailing_text);
    EXPECT_EQ(parse_address("user").error().fault, AddressFault::missing_domain);
    EXPECT_EQ(parse_address("").error().fault, AddressFault::bad_local);
    EXPECT_EQ(parse_address("u\xc3\xbc@example.com", false).error().fault, AddressFault::needs_smtputf8);
    EXPECT_EQ(parse_address("user@example.com\n").error().fault, AddressFault::control_character);
}

TEST(Address, Destination) {
    EXPECT_EQ(destination_of("user@Example.com"), "example.com");
    EXPECT_EQ(destination_of("\"a@b\"@example.com"), "example.com");
    EXPECT_EQ(destination_of("u@[192.0.2.1]"), "[192.0.2.1]");
    EXPECT_EQ(destination_of("postmaster"), "");
    EXPECT_EQ(destination_of("\"a@b\""), "");
    EXPECT_EQ(destination_of(""), "");
}

// What is accepted is accepted again in its normal form, with the same meaning: an address survives queue and
// wire.
TEST(Path, AcceptedPathsAreStable) {
    std::mt19937 random(2821);
    const std::string alphabet = "ab.@@\"\\<>:,[] 1\xc3\xbc-";
    int accepted = 0;
    for (int round = 0; round < 200000; ++round) {
        std::string text = "<";
        for (std::size_t i = random() % 10; i > 0; --i) text += alphabet[random() % alphabet.size()];
        text += random() % 2 == 0 ? "@b.de>" : ">";
        const auto path = parse_path(text, PathKind::forward, true);
        if (!path) continue;
        ++accepted;
        EXPECT_LE(path->consumed, text.size());
        const std::string normal = "<" + path->address.to_string() + ">";
        const auto again = parse_path(normal, PathKind::forward, true);
        ASSERT_TRUE(again) << text << " -> " << normal;
        EXPECT_EQ(again->address, path->address);
        EXPECT_EQ(again->consumed, normal.size());
    }
    EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace posthorn::mail
