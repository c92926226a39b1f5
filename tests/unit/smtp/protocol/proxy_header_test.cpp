// The PROXY header, versions 1 and 2 (HAProxy's proxy-protocol.txt, rev. 2020/03/05; "s" is its sections).
#include "smtp/protocol/proxy_header.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace posthorn::smtp::protocol {
namespace {

using Progress = ProxyHeaderReader::Progress;
using namespace std::string_literals;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

struct Read {
    Progress progress = Progress::incomplete;
    std::size_t taken = 0;
    ProxyHeader header;
    std::string problem;
    friend bool operator==(const Read&, const Read&) = default;
};

Read read(std::string_view wire, std::size_t piece) {
    ProxyHeaderReader reader;
    Read read;
    while (read.progress == Progress::incomplete && !wire.empty()) {
        const auto step = reader.feed(wire.substr(0, piece));
        read.progress = step.progress;
        read.taken += step.taken;
        if (step.progress == Progress::incomplete) {
            EXPECT_EQ(step.taken, std::min(piece, wire.size()));
        }
        wire.remove_prefix(std::min(piece, wire.size()));
    }
    if (read.progress == Progress::complete) read.header = reader.header();
    if (read.progress == Progress::malformed) {
        read.problem = reader.problem();
        read.taken = 0;
    }
    return read;
}

// As one piece, and by the octet: the same (the slicing law).
Read read(const std::string& wire) {
    const Read whole = read(wire, wire.size());
    for (const std::size_t piece : {1U, 2U, 5U, 13U}) EXPECT_EQ(read(wire, piece), whole) << piece;
    return whole;
}

std::string client(const Read& read) {
    if (read.progress != Progress::complete) return "malformed: " + read.problem;
    return read.header.client ? read.header.client->to_string() + " " + std::to_string(read.header.client_port) : "nobody";
}

std::string version2(char command, char family, const std::string& block) {
    std::string wire = kSignature + command + family;
    wire += static_cast<char>(block.size() >> 8U);
    wire += static_cast<char>(block.size() & 0xffU);
    return wire + block;
}

const std::string kV4 = "\xC0\x00\x02\x01\xC6\x33\x64\x02"s + "\x30\x39"s + "\x02\x4B"s;  // 192.0.2.1:12345 to 198.51.100.2:587

TEST(ProxyHeader, Version1NamesTheClient) {  // s2.1
    EXPECT_EQ(client(read("PROXY TCP4 192.0.2.1 198.51.100.2 12345 587\r\n")), "192.0.2.1 12345");
    EXPECT_EQ(client(read("PROXY TCP6 2001:db8::1 2001:db8::2 65535 25\r\n")), "2001:db8::1 65535");
    EXPECT_EQ(client(read("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n")), "255.255.255.255 65535");
    EXPECT_EQ(client(read("PROXY TCP4 192.0.2.1 198.51.100.2 0 0\r\n")), "192.0.2.1 0");
    // A client that came to the proxy's IPv6 socket over IPv4 is the IPv4 client it is.
    EXPECT_EQ(client(read("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1 2\r\n")), "192.0.2.1 1");
}

TEST(ProxyHeader, Version1UnknownNamesNobody) {  // s2.1: what follows UNKNOWN is ignored up to the CRLF
    EXPECT_EQ(client(read("PROXY UNKNOWN\r\n")), "nobody");
    EXPECT_EQ(client(read("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n")), "nobody");
}

TEST(ProxyHeader, WhatFollowsIsTheClients) {  // s2: the ClientHello may come in the same segment
    const std::string line = "PROXY TCP4 192.0.2.1 198.51.100.2 12345 587\r\n";
    for (const std::string& header : {line, version2('\x21', '\x11', kV4)}) {
        for (const std::string rest : {"\x16\x03\x01", "EHLO a\r\n", "\r\n", "\n"}) {
            const Read got = read(header + rest);
            EXPECT_EQ(got.progress, Progress::complete);
            EXPECT_EQ(got.taken, header.size());
        }
    }
}

TEST(ProxyHeader, Version1Mistakes) {
    for (const std::string wire : {
             "EHLO client.example\r\n",
             "\x16\x03\x01\x02\x00\x01\x00",
             "\n",
             "proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
             "PROXY\r\n",
             "PROXY \r\n",
             "PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
             "PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n",
             "PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
             "PROXY UNKNOWNS\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n",
             "PROXY TCP4 192.0.2.1  198.51.100.2 1 2\r\n",
             "PROXY TCP4 192.0.2.1\t198.51.100.2 1 2\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.2 -1 2\r\n",
             "PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n",
             "PROXY TCP4 192.0.2 198.51.100.2 1 2\r\n",
             "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
             "PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
             "PROXY TCP4 localhost 198.51.100.2 1 2\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n",
         }) {
        EXPECT_EQ(read(wire).progress, Progress::malformed) << wire;
    }
    EXPECT_EQ(client(read("PROXY TCP4 192.0.2.1"s + "\0"s + " 198.51.100.2 1 2\r\n")).substr(0, 9), "malformed");
}

TEST(ProxyHeader, Version1HasAtMost107Octets) {  // s2.1
    const std::string longest = "PROXY UNKNOWN " + std::string(107 - 14 - 2, 'x') + "\r\n";
    ASSERT_EQ(longest.size(), ProxyHeaderReader::kMaxVersion1);
    EXPECT_EQ(read(longest).progress, Progress::complete);
    EXPECT_EQ(read("PROXY UNKNOWN " + std::string(107 - 14 - 1, 'x') + "\r\n").progress, Progress::malformed);
    EXPECT_EQ(read("PROXY UNKNOWN " + std::string(5000, 'x')).progress, Progress::malformed);
}

TEST(ProxyHeader, Version2NamesTheClient) {  // s2.2
    EXPECT_EQ(client(read(version2('\x21', '\x11', kV4))), "192.0.2.1 12345");
    const std::string source = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01"s;
    EXPECT_EQ(client(read(version2('\x21', '\x21', source + source + "\x30\x39\x02\x4B"s))), "2001:db8::1 12345");
    const std::string mapped = std::string(10, '\0') + "\xff\xff\xC0\x00\x02\x01"s;
    EXPECT_EQ(client(read(version2('\x21', '\x21', mapped + mapped + "\x30\x39\x02\x4B"s))), "192.0.2.1 12345");
}

TEST(ProxyHeader, Version2LocalUnixAndUnspecifiedNameNobody) {
    EXPECT_EQ(client(read(version2('\x20', '\x00', ""))), "nobody");                       // a health check
    EXPECT_EQ(client(read(version2('\x20', '\x11', kV4))), "nobody");                      // LOCAL: the block is ignored
    EXPECT_EQ(client(read(version2('\x20', '\x7f', "garbage"))), "nobody");
    EXPECT_EQ(client(read(version2('\x21', '\x00', ""))), "nobody");
    EXPECT_EQ(client(read(version2('\x21', '\x00', "whatever"))), "nobody");
    EXPECT_EQ(client(read(version2('\x21', '\x31', std::string(216, 'p')))), "nobody");    // a unix socket
}

TEST(ProxyHeader, Version2StepsOverExtensions) {  // s2.2, PP2_TYPE_AUTHORITY and PP2_TYPE_NOOP
    const std::string extensions = "\x02\x00\x0b"s + "example.com" + "\x04\x00\x00"s + "\xEA\x00\x02xy"s;
    EXPECT_EQ(client(read(version2('\x21', '\x11', kV4 + extensions))), "192.0.2.1 12345");
    EXPECT_EQ(read(version2('\x21', '\x11', kV4 + extensions.substr(0, 5))).progress, Progress::malformed);
    EXPECT_EQ(read(version2('\x21', '\x11', kV4 + "\x02"s)).progress, Progress::malformed);
    EXPECT_EQ(read(version2('\x21', '\x11', kV4 + "\x02\x00\x01"s)).progress, Progress::malformed);
}

TEST(ProxyHeader, Version2ChecksTheChecksum) {  // s2.2.3, PP2_TYPE_CRC32C
    std::string wire = version2('\x21', '\x11', kV4 + "\x03\x00\x04"s + "\0\0\0\0"s);
    EXPECT_EQ(client(read(wire)), "malformed: its checksum is wrong");
    // Computed by another program: python3 with a bit-by-bit CRC32c of the header with zeros in the checksum's place.
    wire.replace(wire.size() - 4, 4, "\x76\x14\xE9\xE5"s);
    EXPECT_EQ(client(read(wire)), "192.0.2.1 12345");
    std::string forged = wire;
    forged[16] = '\xC1';
    EXPECT_EQ(client(read(forged)), "malformed: its checksum is wrong");
    EXPECT_EQ(read(version2('\x21', '\x11', kV4 + "\x03\x00\x02"s + "\0\0"s)).progress, Progress::malformed);
}

TEST(ProxyHeader, Version2Mistakes) {
    EXPECT_EQ(read(version2('\x11', '\x11', kV4)).progress, Progress::malformed);  // version 1 in the binary form
    EXPECT_EQ(read(version2('\x31', '\x11', kV4)).progress, Progress::malformed);
    EXPECT_EQ(read(version2('\x22', '\x11', kV4)).progress, Progress::malformed);  // an unknown command
    EXPECT_EQ(read(version2('\x21', '\x12', kV4)).progress, Progress::malformed);  // UDP
    EXPECT_EQ(read(version2('\x21', '\x41', kV4)).progress, Progress::malformed);
    EXPECT_EQ(read(version2('\x21', '\x11', kV4.substr(0, 11))).progress, Progress::malformed);
    EXPECT_EQ(read(version2('\x21', '\x21', kV4)).progress, Progress::malformed);
    EXPECT_EQ(read("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\0"s).progress, Progress::malformed);
    // The length is judged before a buffer of it is filled.
    EXPECT_EQ(read(kSignature + "\x21\x11\xff\xff"s).progress, Progress::malformed);
}

TEST(ProxyHeader, IsAwaitedToItsEnd) {
    for (const std::string& header : {"PROXY TCP4 192.0.2.1 198.51.100.2 12345 587\r\n"s, version2('\x21', '\x11', kV4)}) {
        for (std::size_t size = 1; size < header.size(); ++size) {
            EXPECT_EQ(read(header.substr(0, size)).progress, Progress::incomplete) << size;
        }
    }
}

}  // namespace
}  // namespace posthorn::smtp::protocol
