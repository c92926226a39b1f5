// The relay decision, row by row.
#include "smtp/server/policy.hpp"

#include <gtest/gtest.h>

namespace posthorn::smtp::server {
namespace {

Client at(const char* address) {
    Client client;
    client.address = IpAddress::parse(address).value();
    client.text = address;
    return client;
}

Client unix_client() {
    Client client;
    client.unix_socket = true;
    client.text = "unix";
    return client;
}

RelayOptions loopback_only() {
    RelayOptions relay;
    relay.trusted_networks.push_back(IpNetwork::parse("127.0.0.0/8").value());
    relay.trusted_networks.push_back(IpNetwork::parse("::1/128").value());
    return relay;
}

TEST(Policy, ConnectionsAreCountedByAddressAndOverIpv6ByNetwork) {
    EXPECT_NE(at("192.0.2.1").counted_as(), at("192.0.2.2").counted_as());
    EXPECT_EQ(at("2001:db8:1:2::1").counted_as(), at("2001:db8:1:2:ffff:ffff:ffff:ffff").counted_as());
    EXPECT_NE(at("2001:db8:1:2::1").counted_as(), at("2001:db8:1:3::1").counted_as());
}

TEST(Policy, AtAUnixSocketConnectionsAreTheUsers) {
    Client www = unix_client(), nobody = unix_client();
    www.uid = 33;
    nobody.uid = 65534;
    EXPECT_NE(www.owner(), nobody.owner());
    EXPECT_NE(unix_client().owner(), at("::").owner());
    EXPECT_EQ(at("192.0.2.1").owner(), at("192.0.2.1").counted_as());
}

TEST(Policy, StrangersLeavePlacesForThisMachine) {
    ServerLimits limits;
    limits.max_connections = 1000;
    EXPECT_EQ(places_for(at("192.0.2.1"), limits), 900U);
    EXPECT_EQ(places_for(at("127.0.0.1"), limits), 1000U);
    EXPECT_EQ(places_for(unix_client(), limits), 1000U);
    limits.max_connections = 1;
    EXPECT_EQ(places_for(at("192.0.2.1"), limits), 1U);
}

TEST(Policy, WhoMaySend) {
    struct Row {
        Client client;
        ListenerAuth auth;
        bool authenticated;
        int code;   // 0: may
    };
    const Row rows[] = {
        {at("127.0.0.1"), ListenerAuth::none, false, 0},
        {at("127.0.0.1"), ListenerAuth::optional, false, 0},
        {at("127.0.0.1"), ListenerAuth::required, false, 530},
        {at("127.0.0.1"), ListenerAuth::required, true, 0},
        {at("::1"), ListenerAuth::optional, false, 0},
        {at("::ffff:127.0.0.1"), ListenerAuth::optional, false, 0},
        {at("192.0.2.1"), ListenerAuth::none, false, 550},
        {at("192.0.2.1"), ListenerAuth::optional, false, 530},
        {at("192.0.2.1"), ListenerAuth::optional, true, 0},
        {at("172.17.0.1"), ListenerAuth::none, false, 550},       // docker's gateway: the whole Internet
        {at("10.0.0.1"), ListenerAuth::optional, false, 530},
        {at("2001:db8::1"), ListenerAuth::required, true, 0},
        {unix_client(), ListenerAuth::none, false, 0},
        {unix_client(), ListenerAuth::required, false, 530},
    };
    for (const Row& row : rows) {
        const auto denial = may_send(row.client, loopback_only(), row.auth, row.authenticated);
        EXPECT_EQ(denial ? denial->code : 0, row.code) << row.client.text << " auth " << static_cast<int>(row.auth);
    }
    RelayOptions closed;
    closed.trust_unix_socket = false;
    EXPECT_EQ(may_send(unix_client(), closed, ListenerAuth::none, false)->code, 550);
}

TEST(Policy, WhoMayReceive) {
    EXPECT_FALSE(may_receive("example.org", false));
    EXPECT_FALSE(may_receive("[192.0.2.1]", false));
    EXPECT_FALSE(may_receive("", true));
    EXPECT_EQ(may_receive("", false)->code, 550);
    EXPECT_EQ(may_receive("localhost", true)->code, 554);
}

}  // namespace
}  // namespace posthorn::smtp::server
