// Default gateways, out of the kernel's tables as real machines and containers show them (DO-1, DO-2).
#include "base/routing_table.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <string>

namespace posthorn {
namespace {

std::string joined(const std::vector<IpAddress>& addresses) {
    std::string text;
    for (const IpAddress& address : addresses) text += (text.empty() ? "" : " ") + address.to_string();
    return text;
}

// /proc/net/route prints addresses as integers of the machine; these were printed by x86 machines.
class RoutesV4 : public ::testing::Test {
protected:
    void SetUp() override {
        if (std::endian::native != std::endian::little) GTEST_SKIP() << "the tables below were printed by little-endian machines";
    }
};

constexpr const char* kHead = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                     \n";

TEST_F(RoutesV4, OfADockerContainer) {
    EXPECT_EQ(joined(default_gateways_v4(std::string(kHead) +
                                         "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
                                         "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n")),
              "172.17.0.1");
}

TEST_F(RoutesV4, OfAHostWithDocker) {  // the bridge's own address is no gateway here
    EXPECT_EQ(joined(default_gateways_v4(std::string(kHead) +
                                         "ens3\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0  \n"
                                         "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0  \n"
                                         "ens3\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0  \n")),
              "192.168.2.1");
}

TEST_F(RoutesV4, SeveralAndEachOnce) {
    EXPECT_EQ(joined(default_gateways_v4(std::string(kHead) +
                                         "eth0\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
                                         "eth1\t00000000\t010013AC\t0003\t0\t0\t10\t00000000\t0\t0\t0\n"
                                         "eth1\t00000000\t010013AC\t0003\t0\t0\t20\t00000000\t0\t0\t0\n")),
              "172.18.0.1 172.19.0.1");
}

TEST_F(RoutesV4, WhatIsNoDefaultGateway) {
    for (const char* line : {
             "tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0\n",   // a default route into a device
             "eth0\t0000000A\t010011AC\t0003\t0\t0\t0\t000000FF\t0\t0\t0\n",    // 10.0.0.0/8 by a gateway
             "tun0\t00000000\t010011AC\t0003\t0\t0\t0\t00000080\t0\t0\t0\n",    // 0.0.0.0/1
             "eth0\t00000000\t010011AC\t0002\t0\t0\t0\t00000000\t0\t0\t0\n",    // down
             "*\t00000000\t010011AC\t0203\t0\t0\t0\t00000000\t0\t0\t0\n",       // rejected
             "eth0\t00000000\t010011AC\n",
             "eth0\t00000000\tXX0011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
             "eth0\t00000000\t010011\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
             "\n",
             "",
         }) {
        EXPECT_EQ(joined(default_gateways_v4(line)), "") << line;
    }
    EXPECT_EQ(joined(default_gateways_v4(kHead)), "");
}

TEST(RoutesV6, OfAContainerAndOfARoutersNeighbour) {
    constexpr const char* kZero = "00000000000000000000000000000000";
    const std::string end = " 00000400 00000001 00000000 ";
    const auto route = [&](const std::string& gateway, const std::string& flags) {
        return std::string(kZero) + " 00 " + kZero + " 00 " + gateway + end + flags + "     eth0\n";
    };
    EXPECT_EQ(joined(default_gateways_v6(
                  "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 "
                  "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n" +
                  route("fd000000000000000000000000000001", "00000003"))),
              "fd00::1");
    EXPECT_EQ(joined(default_gateways_v6(route("fe800000000000000000000000000001", "00450003"))), "fe80::1");
    // The kernel's own last line: no route.
    EXPECT_EQ(joined(default_gateways_v6(route(kZero, "00200200").replace(0, 0, ""))), "");
    EXPECT_EQ(joined(default_gateways_v6("20010db8000000000000000000000000 20 " + std::string(kZero) + " 00 " +
                                         "fd000000000000000000000000000001" + end + "00000003     eth0\n")),
              "");
    EXPECT_EQ(joined(default_gateways_v6("garbage\n\n" + route("fd0000000000000000000000000000zz", "00000003"))), "");
}

}  // namespace
}  // namespace posthorn
