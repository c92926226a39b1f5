// What addresses are forgiven, made to wait for, and shut out for. Time is an argument: nothing here waits.
#include "smtp/server/door_guard.hpp"

#include <gtest/gtest.h>

#include <string>

namespace posthorn::smtp::server {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Kind = DoorGuard::Consequence::Kind;
using Offence = DoorGuard::Offence;
using Admission = DoorGuard::Admission;

DoorGuard::Key key(const std::string& address) {
    Client client;
    client.address = IpAddress::parse(address).value();
    return client.counted_as();
}

class Guard : public ::testing::Test {
protected:
    GuardOptions options;
    DoorGuard guard{options, {}};
    SteadyTime now = SteadyTime() + hours(1000);
    DoorGuard::Key bot = key("198.51.100.7");

    void use(const GuardOptions& changed) { guard.set_options(changed); }
    // One guess, tried when the address no longer has to wait for the one before.
    DoorGuard::Consequence guess(const std::string& user, const std::string& password) {
        now += minutes(1);
        return guard.on_wrong_password(bot, user, password, now);
    }
    void be_banned() {
        for (int i = 0; !guard.banned(bot, now); ++i) {
            (void)guard.on_wrong_password(bot, "user" + std::to_string(i), "x", now);
            ASSERT_LT(i, 100);
        }
    }
};

TEST_F(Guard, DelaysGrowOverConnectionsUpToABound) {  // AUTH-7
    options.ban_after = 0;
    use(options);
    std::vector<long> delays;
    for (int i = 0; i < 8; ++i) {
        const auto consequence = guess("alice", std::to_string(i));
        EXPECT_EQ(consequence.kind, Kind::tell);
        delays.push_back(std::chrono::duration_cast<seconds>(consequence.delay).count());
    }
    EXPECT_EQ(delays, (std::vector<long>{1, 2, 4, 8, 16, 30, 30, 30}));
    now += minutes(31);  // decays with time
    EXPECT_EQ(guess("alice", "again").delay, seconds(1));
}

TEST_F(Guard, WhatWouldNotBeToldNeedsNoLook) {  // AUTH-5: hashes are dear
    EXPECT_EQ(guard.foreseen(bot, "alice", now), Kind::tell);
    EXPECT_EQ(guard.size(), 0U);
    (void)guess("alice", "x");
    EXPECT_EQ(guard.foreseen(bot, "alice", now), Kind::put_off);
    EXPECT_EQ(guard.foreseen(bot, "bob", now), Kind::tell);
    EXPECT_EQ(guard.foreseen(key("198.51.100.8"), "alice", now), Kind::tell);
    now += seconds(1);
    EXPECT_EQ(guard.foreseen(bot, "alice", now), Kind::tell);
    be_banned();
    EXPECT_EQ(guard.foreseen(bot, "bob", now), Kind::turn_away);
}

TEST_F(Guard, NoDelayWhereNoneIsWanted) {
    options.delay_first = Duration::zero();
    use(options);
    EXPECT_EQ(guess("alice", "x").delay, Duration::zero());
}

TEST_F(Guard, TheTenthFailureWithinTheWindowIsABan) {
    for (int i = 1; i < 10; ++i) EXPECT_EQ(guess("alice", std::to_string(i)).kind, Kind::tell) << i;
    const auto last = guess("bob", "x");
    EXPECT_EQ(last.kind, Kind::turn_away);
    ASSERT_TRUE(last.ban);
    EXPECT_EQ(last.ban->length, minutes(15));
    EXPECT_EQ(guard.arrive(bot, now), Admission::banned);
    EXPECT_EQ(guard.arrive(bot, now + minutes(15) - milliseconds(1)), Admission::banned);
    EXPECT_EQ(guard.arrive(bot, now + minutes(15)), Admission::welcome);
    EXPECT_EQ(guard.arrive(key("198.51.100.8"), now), Admission::welcome);
}

TEST_F(Guard, SlowFailuresAreNoBan) {
    for (int i = 0; i < 100; ++i) {
        now += minutes(4);  // with the one of guess(): six within any half hour
        EXPECT_EQ(guess("alice", std::to_string(i)).kind, Kind::tell) << i;
    }
}

TEST_F(Guard, BansGrowOnRepetitionUpToABoundAndAreForgotten) {
    std::vector<long> lengths;
    for (int i = 0; i < 10; ++i) {
        be_banned();
        lengths.push_back(std::chrono::duration_cast<minutes>(guard.known(now, 1).at(0).banned_for).count());
        now += guard.known(now, 1).at(0).banned_for;
        EXPECT_FALSE(guard.banned(bot, now));
    }
    EXPECT_EQ(lengths, (std::vector<long>{15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440}));
    now += hours(24);  // ban_max after its end
    EXPECT_TRUE(guard.known(now, 10).empty());
    (void)guard.arrive(bot, now);
    be_banned();
    // Nobody asked for room meanwhile, so the record is still there: it must count as forgotten all the same.
    EXPECT_EQ(guard.known(now, 1).at(0).banned_for, minutes(15));
}

TEST_F(Guard, APhoneWithAnOldPasswordBansNobody) {  // the same user, the same wrong password: once
    for (int i = 0; i < 1000; ++i) {
        now += seconds(5);
        const auto consequence = guard.on_wrong_password(bot, "alice", "last year's", now);
        ASSERT_EQ(consequence.kind, Kind::tell) << i;
        EXPECT_EQ(consequence.delay, seconds(1));
    }
    EXPECT_EQ(guard.known(now, 1).at(0).failures, 1.0);
    // Her neighbour behind the same NAT notices nothing.
    EXPECT_EQ(guard.on_right_password(bot, "bob", now).kind, Kind::tell);
}

TEST_F(Guard, AnUnseenPasswordOfTheSameUserCountsAQuarter) {  // SCRAM shows no password (RFC 5802 s3)
    int tried = 0;
    while (!guard.banned(bot, now)) {
        now += seconds(31);
        (void)guard.on_wrong_password(bot, "alice", "", now);
        ASSERT_LT(++tried, 1000);
    }
    EXPECT_EQ(tried, 1 + 4 * 9);  // thirty-seven, where a phone tries every five minutes
}

TEST_F(Guard, ARightPasswordTakesBackItsUsersFailures) {
    for (int i = 0; i < 9; ++i) (void)guess("alice", std::to_string(i));
    now += minutes(1);
    EXPECT_EQ(guard.on_right_password(bot, "alice", now).kind, Kind::tell);
    EXPECT_TRUE(guard.known(now, 10).empty());
    EXPECT_EQ(guess("alice", "x").delay, seconds(1));
}

TEST_F(Guard, AnAccountOfHisOwnEarnsNoGuesses) {
    int told = 0;
    for (int i = 0; i < 100 && !guard.banned(bot, now); ++i) {
        told += guess("alice", std::to_string(i)).kind == Kind::tell ? 1 : 0;
        (void)guard.on_right_password(bot, "mallory", now);
    }
    EXPECT_EQ(told, 9);
}

TEST_F(Guard, ManyConnectionsDoNotMultiplyGuessesAtOneUser) {
    int told = 0;
    for (int tenth = 0; tenth < 600; ++tenth) {  // a minute of a hundred connections that try without a pause
        now += milliseconds(100);
        for (int c = 0; c < 100; ++c) {
            const std::string password = std::to_string(tenth) + "/" + std::to_string(c);
            told += guard.on_wrong_password(bot, "alice", password, now).kind == Kind::tell ? 1 : 0;
        }
    }
    EXPECT_EQ(told, 6);  // at 0, 1, 3, 7, 15 and 31 seconds, as one connection would be told
}

TEST_F(Guard, NorGuessesAtManyUsers) {
    int told = 0;
    for (int c = 0; c < 100; ++c) {
        told += guard.on_wrong_password(bot, "user" + std::to_string(c), "x", now).kind == Kind::tell ? 1 : 0;
    }
    EXPECT_EQ(told, 9);
}

TEST_F(Guard, ARightPasswordIsNotToldEitherWhileItMustWait) {  // else it would tell the right one from the wrong ones
    const auto first = guard.on_wrong_password(bot, "alice", "x", now);
    ASSERT_EQ(first.delay, seconds(1));
    EXPECT_EQ(guard.on_right_password(bot, "alice", now + milliseconds(999)).kind, Kind::put_off);
    EXPECT_EQ(guard.on_right_password(bot, "alice", now + milliseconds(1000)).kind, Kind::tell);
    be_banned();
    EXPECT_EQ(guard.on_right_password(bot, "alice", now).kind, Kind::turn_away);
}

TEST_F(Guard, OtherOffencesCountAsWell) {
    for (int i = 0; i < 4; ++i) EXPECT_FALSE(guard.on_offence(bot, Offence::errors, "", now));
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(guard.on_offence(bot, Offence::early_talk, "", now));
    const auto ban = guard.on_offence(bot, Offence::relaying, "spam@example.com", now);
    ASSERT_TRUE(ban);
    EXPECT_EQ(ban->reason, Offence::relaying);
}

TEST_F(Guard, AProgramThatForgotToLogInBansNobody) {  // the same sender refused again and again
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(guard.on_offence(bot, Offence::relaying, "shop@example.com", now));
    EXPECT_EQ(guard.known(now, 1).at(0).failures, 1.0);
    for (int i = 0; i < 8; ++i) EXPECT_FALSE(guard.on_offence(bot, Offence::relaying, std::to_string(i), now));
    EXPECT_TRUE(guard.on_offence(bot, Offence::relaying, "another", now));
}

TEST_F(Guard, Ipv6CountsByTheNetworkOf64Bits) {
    for (int i = 0; i < 10; ++i) {
        (void)guard.on_wrong_password(key("2001:db8:0:1::" + std::to_string(i + 1)), "u" + std::to_string(i), "x", now);
    }
    EXPECT_TRUE(guard.banned(key("2001:db8:0:1:ffff::1"), now));
    EXPECT_FALSE(guard.banned(key("2001:db8:0:2::1"), now));
    EXPECT_EQ(guard.known(now, 1).at(0).address, "2001:db8:0:1::/64");
}

TEST_F(Guard, NewConnectionsAreHeldToAPace) {
    options.connections_per_minute = 60;
    use(options);
    int welcome = 0;
    for (int i = 0; i < 100; ++i) welcome += guard.arrive(bot, now) == Admission::welcome ? 1 : 0;
    EXPECT_EQ(welcome, 60);
    EXPECT_EQ(guard.arrive(key("198.51.100.8"), now), Admission::welcome);
    now += seconds(1);
    EXPECT_EQ(guard.arrive(bot, now), Admission::welcome);
    EXPECT_EQ(guard.arrive(bot, now), Admission::too_fast);
    now += minutes(2);
    for (int i = 0; i < 60; ++i) ASSERT_EQ(guard.arrive(bot, now), Admission::welcome) << i;
    options.connections_per_minute = 0;
    use(options);
    EXPECT_EQ(guard.arrive(bot, now), Admission::welcome);
}

TEST_F(Guard, TheTableIsBoundAndKeepsTheWorst) {
    options.max_addresses = 1000;
    use(options);
    for (int i = 0; i < 9; ++i) (void)guess("alice", std::to_string(i));
    const DoorGuard::Key banned = key("203.0.113.1");
    for (int i = 0; i < 10; ++i) (void)guard.on_wrong_password(banned, std::to_string(i), "x", now);
    ASSERT_TRUE(guard.banned(banned, now));
    // He owns a /44, and wants what is known of him to be pushed out.
    for (int i = 0; i < 100000; ++i) {
        DoorGuard::Key other = key("2001:db8::");
        other[5] = static_cast<std::uint8_t>(i >> 16U);
        other[6] = static_cast<std::uint8_t>(i >> 8U);
        other[7] = static_cast<std::uint8_t>(i);
        (void)guard.on_wrong_password(other, "alice", "x", now);
        (void)guard.arrive(other, now);
        ASSERT_LE(guard.size(), 1000U);
    }
    EXPECT_TRUE(guard.banned(banned, now));
    EXPECT_EQ(guess("bob", "x").kind, Kind::turn_away);
}

TEST_F(Guard, ThePaceIsNotForgottenInACrowdEither) {
    options.max_addresses = 100;
    options.connections_per_minute = 10;
    use(options);
    for (int i = 0; i < 10; ++i) ASSERT_EQ(guard.arrive(bot, now), Admission::welcome);
    for (int i = 0; i < 1000; ++i) {
        DoorGuard::Key other = key("2001:db8::");
        other[6] = static_cast<std::uint8_t>(i >> 8U);
        other[7] = static_cast<std::uint8_t>(i);
        EXPECT_EQ(guard.arrive(other, now), Admission::welcome);
    }
    EXPECT_EQ(guard.arrive(bot, now), Admission::too_fast);
}

TEST_F(Guard, TheOperatorSeesAndForgives) {
    be_banned();
    (void)guard.arrive(bot, now);
    (void)guard.arrive(bot, now);
    (void)guard.on_offence(key("2001:db8::1"), Offence::errors, "", now);
    const auto known = guard.known(now, 10);
    ASSERT_EQ(known.size(), 2U);
    EXPECT_EQ(known[0].address, "198.51.100.7");
    EXPECT_EQ(known[0].turned_away, 2U);
    EXPECT_EQ(known[0].bans, 1U);
    EXPECT_EQ(known[1].failures, 1.0);
    EXPECT_TRUE(guard.forgive(bot));
    EXPECT_EQ(guard.arrive(bot, now), Admission::welcome);
    EXPECT_TRUE(guard.forgive(bot));  // its pace
    EXPECT_FALSE(guard.forgive(bot));
    guard.forgive_all();
    EXPECT_TRUE(guard.known(now, 10).empty());
}

TEST_F(Guard, BansSurviveNewOptions) {  // a reload
    be_banned();
    options.ban_after = 50;
    use(options);
    EXPECT_TRUE(guard.banned(bot, now));
}

TEST(GuardExemption, LoopbackUnixAndTrustedByChoice) {
    GuardOptions guard;
    RelayOptions relay;
    relay.trusted_networks = {IpNetwork::parse("192.0.2.0/28").value()};
    const auto at = [](const std::string& address) {
        Client client;
        client.address = IpAddress::parse(address).value();
        return client;
    };
    Client unix_client;
    unix_client.unix_socket = true;
    EXPECT_TRUE(exempt(unix_client, guard, relay));
    EXPECT_TRUE(exempt(at("127.0.0.1"), guard, relay));
    EXPECT_TRUE(exempt(at("::1"), guard, relay));
    EXPECT_TRUE(exempt(at("192.0.2.1"), guard, relay));
    EXPECT_FALSE(exempt(at("192.0.2.16"), guard, relay));
    guard.exempt_local = guard.exempt_trusted = false;
    guard.exempt_networks = {IpNetwork::parse("203.0.113.9/32").value()};
    EXPECT_FALSE(exempt(at("127.0.0.1"), guard, relay));
    EXPECT_FALSE(exempt(at("192.0.2.1"), guard, relay));
    EXPECT_TRUE(exempt(at("203.0.113.9"), guard, relay));
}

}  // namespace
}  // namespace posthorn::smtp::server
