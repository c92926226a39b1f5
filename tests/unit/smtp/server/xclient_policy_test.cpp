// Who may say XCLIENT, and who speaks after it (Postfix's XCLIENT_README, EXT-14).
#include <gtest/gtest.h>

#include "smtp/server/door_guard.hpp"
#include "smtp/server/policy.hpp"

namespace posthorn::smtp::server {
namespace {

Client client(std::string_view address) {
    Client client;
    client.address = IpAddress::parse(address).value();
    client.text = address;
    return client;
}

RelayOptions options() {
    RelayOptions relay;
    relay.trusted_networks = {IpNetwork::parse("127.0.0.0/8").value(),
                              IpNetwork::parse("192.0.2.0/24").value()};
    relay.xclient_networks = {IpNetwork::parse("192.0.2.1/32").value(),
                              IpNetwork::parse("10.0.0.0/30").value()};
    relay.gateways = {IpAddress::parse("10.0.0.1").value()};
    return relay;
}

TEST(XclientPolicy, OnlyNamedAddresses) {
    const RelayOptions relay = options();
    EXPECT_TRUE(may_xclient(client("192.0.2.1"), relay));
    EXPECT_TRUE(may_xclient(client("10.0.0.2"), relay));
    EXPECT_FALSE(may_xclient(client("192.0.2.2"), relay)) << "trust is not enough";
    EXPECT_FALSE(may_xclient(client("127.0.0.1"), relay)) << "nor is loopback";
    EXPECT_FALSE(may_xclient(client("10.0.0.1"), relay)) << "behind a gateway is everybody (DO-1)";
    EXPECT_FALSE(may_xclient(client("192.0.2.1"), RelayOptions{})) << "nobody by default";
    Client unix_client;
    unix_client.unix_socket = true;
    EXPECT_FALSE(may_xclient(unix_client, relay));
    Client veiled = client("192.0.2.1");
    veiled.veiled = true;
    EXPECT_FALSE(may_xclient(veiled, relay));
}

TEST(XclientPolicy, TheGuardJudgesWhomItNamesNotTheProxy) {
    const RelayOptions relay = options();
    const Client proxy = client("10.0.0.2");
    EXPECT_TRUE(exempt(proxy, GuardOptions{}, relay)) << "else 120 clients a minute behind it are too many";
    protocol::XclientCommand command;
    command.has_address = true;
    command.address = IpAddress::parse("203.0.113.7").value();
    EXPECT_FALSE(exempt(client_of(command, proxy), GuardOptions{}, relay));
}

TEST(XclientPolicy, TrustIsThatOfTheNewClient) {
    const RelayOptions relay = options();
    const Client proxy = client("192.0.2.1");
    ASSERT_TRUE(trusted(proxy, relay));
    protocol::XclientCommand command;
    EXPECT_TRUE(trusted(client_of(command, proxy), relay)) << "without ADDR it is still the proxy";

    command.has_address = true;
    command.address = IpAddress::parse("203.0.113.7").value();
    const Client stranger = client_of(command, proxy);
    EXPECT_EQ(stranger.text, "203.0.113.7");
    EXPECT_FALSE(trusted(stranger, relay));
    EXPECT_FALSE(may_xclient(stranger, relay));

    command.address.reset();  // [UNAVAILABLE]
    const Client nobody = client_of(command, proxy);
    EXPECT_TRUE(nobody.veiled);
    EXPECT_FALSE(trusted(nobody, relay));
    EXPECT_FALSE(may_xclient(nobody, relay));
    EXPECT_FALSE(nobody.local());
}

}  // namespace
}  // namespace posthorn::smtp::server
