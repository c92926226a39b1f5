// Which refusals another connection mends (providers.md 2.5: TLSREQ, PROTO, RELAY, IPv6 refused; PR-19, PR-38).
#include "delivery/remedy.hpp"

#include <gtest/gtest.h>

namespace posthorn::delivery {
namespace {

using smtp::protocol::Stage;

Carriage usual() {
    Carriage carriage;
    carriage.group = "google";
    carriage.domain = "gmail.com";
    carriage.host = "mx1.google.com";
    carriage.hosts = {"mx1.google.com"};
    carriage.secure = true;
    carriage.starttls = true;
    carriage.pipelining = true;
    carriage.transactions = 1;
    return carriage;
}

TEST(Remedy, MostRefusalsHaveNone) { EXPECT_FALSE(remedy_for(Judgement(), Stage::rcpt, usual())); }

TEST(Remedy, IPv4InPlaceOfIPv6) {
    Judgement judgement;
    judgement.ipv4_instead = true;
    Carriage carriage = usual();
    EXPECT_FALSE(remedy_for(judgement, Stage::end_of_data, carriage)) << "it was IPv4";
    carriage.note_opening("mx1.google.com[2001:db8::1]");
    EXPECT_EQ(carriage.host, "mx1.google.com");
    const auto remedy = remedy_for(judgement, Stage::end_of_data, carriage);
    ASSERT_TRUE(remedy);
    EXPECT_EQ(remedy->quirk, Quirk::no_ipv6);
    EXPECT_EQ(remedy->of, "google");
    carriage.by_relay = true;
    EXPECT_FALSE(remedy_for(judgement, Stage::end_of_data, carriage));
    carriage.note_opening("mx1.google.com[192.0.2.1]");
    EXPECT_FALSE(carriage.ipv6);
}

TEST(Remedy, TlsWhereThereIsAny) {
    Judgement judgement;
    judgement.force_tls = true;
    Carriage carriage = usual();
    EXPECT_FALSE(remedy_for(judgement, Stage::mail, carriage)) << "it was under TLS";
    carriage.secure = false;
    const auto remedy = remedy_for(judgement, Stage::mail, carriage);
    ASSERT_TRUE(remedy);
    EXPECT_EQ(remedy->quirk, Quirk::tls);
    EXPECT_EQ(remedy->of, "google");
    Carriage other = carriage;
    other.starttls = false;
    EXPECT_FALSE(remedy_for(judgement, Stage::mail, other)) << "it demands what it does not offer";
    other = carriage;
    other.tls_off = true;
    EXPECT_FALSE(remedy_for(judgement, Stage::mail, other)) << "the operator's word";
}

TEST(Remedy, TheLikeliestExtensionGoes) {
    Judgement judgement;
    judgement.without_extension = true;
    Carriage carriage = usual();
    EXPECT_EQ(remedy_for(judgement, Stage::mail, carriage)->quirk, Quirk::no_pipelining);
    EXPECT_EQ(remedy_for(judgement, Stage::mail, carriage)->of, "mx1.google.com");
    carriage.chunking = true;
    EXPECT_EQ(remedy_for(judgement, Stage::mail, carriage)->quirk, Quirk::no_pipelining) << "BDAT has not begun";
    EXPECT_EQ(remedy_for(judgement, Stage::end_of_data, carriage)->quirk, Quirk::no_chunking);
    carriage.smtputf8 = true;
    EXPECT_EQ(remedy_for(judgement, Stage::mail, carriage)->quirk, Quirk::no_smtputf8);
    Carriage plain = usual();
    plain.pipelining = false;
    EXPECT_FALSE(remedy_for(judgement, Stage::mail, plain)) << "nothing is left to be done without";
}

TEST(Remedy, AnotherHostMayKnowTheDomain) {
    Judgement judgement;
    judgement.next_mx = true;
    Carriage carriage = usual();
    EXPECT_FALSE(remedy_for(judgement, Stage::rcpt, carriage)) << "there is one host";
    carriage.hosts = {"mx1.google.com", "mx2.google.com"};
    EXPECT_EQ(remedy_for(judgement, Stage::rcpt, carriage)->quirk, Quirk::no_relaying);
    EXPECT_EQ(remedy_for(judgement, Stage::rcpt, carriage)->of, "mx1.google.com gmail.com");
    carriage.by_relay = true;
    EXPECT_FALSE(remedy_for(judgement, Stage::rcpt, carriage)) << "relays have their own troubles";
}

TEST(Remedy, AConnectionThatHasCarriedEnough) {   // PR-19
    Judgement judgement;
    judgement.reconnect = true;
    Carriage carriage = usual();
    EXPECT_FALSE(remedy_for(judgement, Stage::mail, carriage)) << "a new one would be no other";
    carriage.transactions = 6;
    const auto remedy = remedy_for(judgement, Stage::mail, carriage);
    ASSERT_TRUE(remedy);
    EXPECT_FALSE(remedy->quirk);
}

}  // namespace
}  // namespace posthorn::delivery
