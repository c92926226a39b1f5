// The breaker, line by line of providers.md 2.7 and 2.8, with the clock set by hand.
#include "breaker_fixture.hpp"
#include "delivery/suspending.hpp"

namespace posthorn::delivery {
namespace {

using BreakerTest = BreakerFixture;

// The probe that the rounds would choose.
#define PROBE(id)                                       \
    do {                                                \
        const auto key = breaker->take_probe(now);      \
        ASSERT_TRUE(key);                               \
        breaker->probe_sent(*key, id, now);             \
    } while (false)

TEST_F(BreakerTest, SuspendsThePairAndNothingElse) {   // PR-45
    const auto judged = heed(refused());
    EXPECT_TRUE(judged[0].held);
    EXPECT_TRUE(closed());
    EXPECT_EQ(breaker->wish("sender|example.net|google"), queue::GateSettings{});
    EXPECT_EQ(breaker->wish("sender|example.org|yahoo"), queue::GateSettings{});
    EXPECT_EQ(breaker->wish("ip|default|google"), queue::GateSettings{});
    EXPECT_EQ(breaker->wish("provider|google"), queue::GateSettings{});
    EXPECT_NE(breaker->holding(flow()), nullptr);
    EXPECT_EQ(breaker->holding(flow("example.net")), nullptr);
    EXPECT_EQ(breaker->take_turns().size(), 1u);
    EXPECT_TRUE(breaker->take_turns().empty());
}

TEST_F(BreakerTest, ReverseDnsAndHeloSuspendTheMachine) {   // 2.7: pair(IP,P)
    for (const Cause cause : {Cause::ptr, Cause::helo}) {
        breaker = std::make_unique<Breaker>();
        breaker->configure(options, now);
        heed(answered(550, "5.7.25 no PTR record", auth({cause})));
        EXPECT_TRUE(closed("ip|default|google"));
        EXPECT_FALSE(closed());
        EXPECT_NE(breaker->holding(flow("example.net")), nullptr);
        EXPECT_EQ(breaker->holding(flow("example.net", "yahoo")), nullptr);
    }
}

TEST_F(BreakerTest, DiagnosesAtOnceAndPollsAsTheRuleSays) {   // 2.7: 1, 2, 5, 10, 15 min, then every 15 min
    heed(refused());
    std::vector<Duration> polls;
    while (polls.size() < 8) {
        ASSERT_TRUE(breaker->next_round());
        now = std::max(now, *breaker->next_round());
        const auto key = breaker->take_diagnosis(now);
        ASSERT_TRUE(key);
        EXPECT_FALSE(breaker->take_diagnosis(now)) << "one at a time";
        polls.push_back(now - start);
        breaker->diagnosed(*key, broken(), now);
    }
    const std::vector<Duration> expected = {0min, 1min, 2min, 5min, 10min, 15min, 30min, 45min};
    EXPECT_EQ(polls, expected);
}

TEST_F(BreakerTest, WhoWaitsLongestIsDiagnosedFirst) {
    heed(refused(), flow("a.example"));
    heed(refused(), flow("z.example"));
    const auto first = breaker->take_diagnosis(now);
    ASSERT_EQ(first, "sender|a.example|google");
    breaker->diagnosed(*first, broken(), now);
    now += 2min;   // due once more, while the other has had no turn yet
    EXPECT_EQ(breaker->take_diagnosis(now), "sender|z.example|google");
    EXPECT_EQ(breaker->take_diagnosis(now), "sender|a.example|google");
}

// What we advise to publish is made of our address as the peer saw it: a provider's word is taken, a stranger's could be anybody's.
TEST_F(BreakerTest, OnlyProvidersAreAskedWhatOurAddressIs) {
    Judgement judgement = auth();
    judgement.ip = "192.0.2.25";
    heed(answered(550, "5.7.26 SPF [example.org] with ip: [192.0.2.25] = did not pass", judgement));
    EXPECT_EQ(pair().ip, "192.0.2.25");
    Flow to_stranger = flow("example.org", "mx.stranger.example");
    to_stranger.provider.clear();
    heed(answered(550, "5.7.26 SPF [example.org] with ip: [192.0.2.25] = did not pass", judgement), to_stranger);
    ASSERT_NE(breaker->find("sender|example.org|mx.stranger.example"), nullptr);
    EXPECT_EQ(breaker->find("sender|example.org|mx.stranger.example")->ip, "");
}

TEST_F(BreakerTest, WhileDnsIsBrokenNothingIsProbed) {   // PR-45
    heed(refused());
    while (now < start + 48h) {
        if (const auto key = breaker->take_diagnosis(now)) breaker->diagnosed(*key, broken(), now);
        ASSERT_FALSE(breaker->take_probe(now));
        ASSERT_TRUE(closed());
        go_on(start + 48h);
    }
}

TEST_F(BreakerTest, TheRepairIsFollowedByExactlyOneProbe) {   // PR-46
    heed(refused());
    breaker->diagnosed(*breaker->take_diagnosis(now), broken(), now);
    now = start + 1min;
    breaker->diagnosed(*breaker->take_diagnosis(now), repaired(), now);
    EXPECT_FALSE(breaker->take_probe(now)) << "first it settles";
    EXPECT_EQ(pair().next_probe, start + 2min);
    now = start + 2min;
    breaker->diagnosed(*breaker->take_diagnosis(now), repaired(), now);
    EXPECT_EQ(pair().next_probe, start + 2min) << "a further poll does not put it off";
    PROBE(7);
    EXPECT_FALSE(breaker->take_probe(now));
    EXPECT_TRUE(closed()) << "the probe alone passes, as a row that was chosen";
    heed(taken(7));
    breaker->passed(7, now);
    EXPECT_FALSE(breaker->take_probe(now + 10h));
    EXPECT_EQ(breaker->wish(pair().key).concurrency, 1u);
    EXPECT_EQ(breaker->wish(pair().key).allowance, std::nullopt);
    EXPECT_EQ(breaker->take_turns().size(), 1u) << "and its end is written down as its beginning was";
}

TEST_F(BreakerTest, AKeyOfANewSelectorIsARepair) {   // PR-47: the operator gives the old key up
    heed(refused());
    breaker->diagnosed(*breaker->take_diagnosis(now), broken(), now);
    now += 1min;
    auto other = std::make_shared<Diagnosis>(*repaired());
    for (Fact& fact : other->facts)
        if (fact.kind == FactKind::dkim) fact.subject = "s2._domainkey.example.org";
    breaker->diagnosed(*breaker->take_diagnosis(now), other, now);
    EXPECT_EQ(pair().next_probe, now + 60s);
}

TEST_F(BreakerTest, ARepairThatIsUndoneIsNotProbed) {
    heed(refused());
    breaker->diagnosed(*breaker->take_diagnosis(now), broken(), now);
    now += 1min;
    breaker->diagnosed(*breaker->take_diagnosis(now), repaired(), now);
    now += 1min;
    breaker->diagnosed(*breaker->take_diagnosis(now), broken(), now);
    EXPECT_FALSE(breaker->take_probe(now + 1h));
}

TEST_F(BreakerTest, TheZonesServersAreBelievedOnceTheOldAnswerHasRunOut) {   // 2.7: or authoritative + old TTL elapsed
    heed(refused());
    breaker->diagnosed(*breaker->take_diagnosis(now), broken(), now);
    now += 1min;
    breaker->diagnosed(*breaker->take_diagnosis(now), diagnosis(FactResult::fail, FactResult::pass, now, false), now);
    EXPECT_FALSE(pair().next_probe) << "the resolver still has the old one, for 300 s";
    now += 5min;
    breaker->diagnosed(*breaker->take_diagnosis(now), diagnosis(FactResult::fail, FactResult::pass, now, false), now);
    EXPECT_EQ(pair().next_probe, now + 60s);
}

TEST_F(BreakerTest, SilenceOfDnsIsNoFailure) {   // PR-51
    heed(refused());
    breaker->diagnosed(*breaker->take_diagnosis(now), silent(), now);
    EXPECT_EQ(pair().next_probe, start + 1h) << "as if nothing were known: by the schedule of a 5xx";
    now += 1min;
    breaker->diagnosed(*breaker->take_diagnosis(now), broken(), now);
    EXPECT_FALSE(pair().next_probe);
    now += 1min;
    breaker->diagnosed(*breaker->take_diagnosis(now), silent(), now);
    EXPECT_FALSE(pair().next_probe) << "and no repair either";
}

TEST_F(BreakerTest, UnexplainedRefusalsAreProbedBySchedule) {   // 2.7: 4xx 15m 30m 1h 2h 4h 8h, 5xx 1h 4h 12h
    for (const bool permanent : {false, true}) {
        breaker = std::make_unique<Breaker>();
        breaker->configure(options, now);
        now = start;
        heed(refused(1, permanent ? 550 : 421));
        TimePoint last = now;
        std::vector<Duration> intervals;
        while (intervals.size() < 8) {
            if (const auto key = breaker->take_diagnosis(now))
                breaker->diagnosed(*key, diagnosis(FactResult::pass, FactResult::pass, now), now);
            if (const auto key = breaker->take_probe(now)) {
                intervals.push_back(now - last);
                last = now;
                breaker->probe_sent(*key, 7, now);
                heed(refused(7, permanent ? 550 : 421));
                breaker->passed(7, now);
                continue;
            }
            go_on(start + 1000h);
        }
        const std::vector<Duration> expected = permanent ? std::vector<Duration>{1h, 4h, 12h, 12h, 12h, 12h, 12h, 12h}
                                                         : std::vector<Duration>{15min, 30min, 1h, 2h, 4h, 8h, 8h, 8h};
        EXPECT_EQ(intervals, expected);
        EXPECT_TRUE(pair().unexplained);
    }
}

TEST_F(BreakerTest, ARepairThatDoesNotAccountForTheRefusalIsWorthAProbe) {
    heed(refused());   // Google wants SPF or DKIM, and DKIM passes
    breaker->diagnosed(*breaker->take_diagnosis(now), diagnosis(FactResult::fail, FactResult::pass, now), now);
    EXPECT_TRUE(pair().unexplained);
    EXPECT_EQ(pair().next_probe, start + 1h);
    now += 1min;
    breaker->diagnosed(*breaker->take_diagnosis(now), diagnosis(FactResult::pass, FactResult::pass, now), now);
    EXPECT_EQ(pair().next_probe, now + 60s);
}

TEST_F(BreakerTest, ReleasesInSlowStart) {   // 2.7: 1 connection, doubling
    heed(refused());
    now += 1h;
    PROBE(7);
    heed(taken(7));
    std::vector<std::uint32_t> widths;
    for (int i = 0; i < 40 && breaker->size() != 0; ++i) {
        const std::uint32_t width = breaker->wish("sender|example.org|google").concurrency;
        if (widths.empty() || widths.back() != width) widths.push_back(width);
        heed(taken(100 + i));
    }
    EXPECT_EQ(widths, (std::vector<std::uint32_t>{1, 2, 4, 8, 16}));
    EXPECT_EQ(breaker->size(), 0u);
    EXPECT_EQ(breaker->wish("sender|example.org|google"), queue::GateSettings{});
}

TEST_F(BreakerTest, AReleaseWithoutMailEndsByItself) {
    heed(refused());
    now += 1h;
    PROBE(7);
    heed(taken(7));
    go_on(now + 24h);
    EXPECT_EQ(breaker->size(), 0u);
    EXPECT_LE(now, start + 1h + 10min);
}

TEST_F(BreakerTest, ARefusalDuringTheReleaseSuspendsAnew) {
    heed(refused());
    now += 1h;
    PROBE(7);
    heed(taken(7));
    now += 10s;
    EXPECT_TRUE(heed(refused(8))[0].held);
    EXPECT_TRUE(closed());
    EXPECT_EQ(pair().next_probe, now + 4h) << "the schedule goes on where it was";
    EXPECT_EQ(breaker->take_diagnosis(now), pair().key) << "and DNS is looked at at once";
}

TEST_F(BreakerTest, WhatWasUnderWayIsNoEvidence) {
    heed(refused(1));
    heed(taken(2));
    EXPECT_TRUE(closed());
    const auto late = heed(refused(3));
    EXPECT_TRUE(late[0].held);
    now += 1h;
    PROBE(7);
    heed(refused(4));
    EXPECT_EQ(pair().phase, SuspensionPhase::probing) << "the answer to the probe is still to come";
}

TEST_F(BreakerTest, AnswersBeyondTheRefusalsStageShowThatTheSenderIsAccepted) {
    struct Case {
        Stage refused_at;
        std::uint16_t code;
        Class failure_class;
        Disposition result;
        Stage stage;
        bool accepted;
    };
    const std::vector<Case> cases = {
        // Google refuses at the end of the data: what is said before shows nothing.
        {Stage::end_of_data, 450, Class::grey, Disposition::deferred, Stage::rcpt, false},
        {Stage::end_of_data, 550, Class::rcpt_perm, Disposition::failed, Stage::rcpt, false},
        {Stage::end_of_data, 421, Class::temp, Disposition::deferred, Stage::mail, false},
        {Stage::end_of_data, 421, Class::throttle, Disposition::deferred, Stage::end_of_data, false},
        {Stage::end_of_data, 451, Class::temp, Disposition::deferred, Stage::end_of_data, false},
        {Stage::end_of_data, 0, Class::connection, Disposition::deferred, Stage::end_of_data, false},
        // Judged by what it is: the sender was looked at before.
        {Stage::end_of_data, 552, Class::size, Disposition::failed, Stage::end_of_data, true},
        {Stage::end_of_data, 550, Class::content, Disposition::failed, Stage::end_of_data, true},
        {Stage::end_of_data, 550, Class::mbr, Disposition::failed, Stage::end_of_data, true},
        // Refused at MAIL (the sender's domain does not exist): an unknown user is one step further.
        {Stage::mail, 550, Class::rcpt_perm, Disposition::failed, Stage::rcpt, true},
        {Stage::mail, 450, Class::grey, Disposition::deferred, Stage::rcpt, true},
        {Stage::mail, 421, Class::temp, Disposition::deferred, Stage::mail, false},
        {Stage::mail, 554, Class::rep, Disposition::failed, Stage::greeting, false},
    };
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const Case& c = cases[i];
        breaker = std::make_unique<Breaker>();
        breaker->configure(options, now);
        heed(answered(550, "5.7.26 unauthenticated", auth(), 1, c.refused_at));
        now += 1h;
        PROBE(7);
        Judgement judgement;
        judgement.failure_class = c.failure_class;
        judgement.result = c.result;
        heed(answered(c.code, "words", judgement, 7, c.stage));
        EXPECT_EQ(pair().phase, c.accepted ? SuspensionPhase::releasing : SuspensionPhase::held) << i;
        if (!c.accepted) {
            EXPECT_EQ(pair().next_probe, now + 60s) << i << ": another message may say more";
        }
    }
}

TEST_F(BreakerTest, AProbeThatIsNeverHeardOfIsFollowedByAnother) {
    heed(refused());
    now += 1h;
    PROBE(7);
    breaker->passed(7, now);   // given back: the agent stops, the message was deleted
    EXPECT_EQ(pair().phase, SuspensionPhase::held);
    EXPECT_EQ(pair().next_probe, now + 60s);
    now += 60s;
    PROBE(8);
    const TimePoint sent = now;
    while (pair().phase == SuspensionPhase::probing && now < sent + 24h) {
        if (const auto key = breaker->take_diagnosis(now)) breaker->diagnosed(*key, silent(), now);
        go_on(sent + 24h);
    }
    EXPECT_EQ(pair().phase, SuspensionPhase::held) << "not even that";
    EXPECT_EQ(now, sent + 1h);
}

TEST_F(BreakerTest, WithNothingToProbeWithTheNextMessageIsTheProbe) {
    heed(refused());
    now += 1h;
    const auto key = breaker->take_probe(now);
    ASSERT_TRUE(key);
    breaker->no_probe(*key, now);
    EXPECT_EQ(breaker->wish(*key).allowance, 1u);
    EXPECT_EQ(breaker->wish(*key).concurrency, 1u);
    heed(refused(9));
    EXPECT_TRUE(closed());
    EXPECT_EQ(pair().probes, 1u);
    EXPECT_EQ(pair().next_probe, now + 4h);
    now += 4h;
    breaker->no_probe(*breaker->take_probe(now), now);
    heed(taken(10));
    EXPECT_EQ(pair().phase, SuspensionPhase::releasing);
}

TEST_F(BreakerTest, SoftRefusalsBecomeClassAuthAtTheThirdTime) {   // 2.5: 451 4.7.26 temporary DNS failures
    Judgement soft;
    soft.failure_class = Class::temp;
    soft.causes = {Cause::dns_temporary};
    soft.wait = 10min;
    for (int i = 1; i <= 3; ++i) {
        now += 10min;
        Judged item = answered(451, "4.7.26 temporary DNS failures prevent authentication", soft, i);
        item.wait = 10min;
        const auto judged = heed(item);
        EXPECT_EQ(judged[0].held, i == 3);
        EXPECT_EQ(judged[0].outcome.failure_class, i == 3 ? Class::auth : Class::temp);
        EXPECT_EQ(closed(), i == 3);
    }
    // Not when they are days apart.
    breaker = std::make_unique<Breaker>();
    breaker->configure(options, now);
    for (int i = 1; i <= 5; ++i) {
        now += 25h;
        heed(answered(451, "4.7.26 temporary DNS failures prevent authentication", soft, i));
        EXPECT_FALSE(closed());
    }
}

TEST_F(BreakerTest, ReputationSuspendsTheMachineAndProbesOnItsSchedule) {   // 2.5, PR-53
    struct Case {
        bool permanent;
        bool in_vain;
        std::optional<Duration> pause;
        std::vector<Duration> expected;
    };
    const std::vector<Case> cases = {
        {false, false, std::nullopt, {1h, 2h, 4h, 4h}},
        {true, false, std::nullopt, {2h, 4h, 8h, 24h, 24h}},
        {true, true, std::nullopt, {24h, 24h}},
        {true, false, 4h, {4h, 8h, 16h, 24h}},
    };
    for (const Case& c : cases) {
        breaker = std::make_unique<Breaker>();
        breaker->configure(options, now);
        Judgement judgement = rep(c.permanent);
        judgement.until_resumed = c.in_vain;
        judgement.pause = c.pause;
        judgement.link = "https://www.spamhaus.org/";
        const auto judged = heed(answered(c.permanent ? 553 : 421, "5.7.1 [BL21] listed", judgement));
        EXPECT_EQ(judged[0].outcome.result, c.permanent ? Disposition::failed : Disposition::deferred) << "PR-53: a DSN at once for 5xx";
        EXPECT_EQ(judged[0].held, !c.permanent);
        EXPECT_TRUE(closed("ip|default|google"));
        EXPECT_FALSE(closed());
        TimePoint last = now;
        for (const Duration expected : c.expected) {
            if (const auto key = breaker->take_diagnosis(now)) breaker->diagnosed(*key, broken(), now);
            ASSERT_TRUE(pair("ip|default|google").next_probe);
            now = *pair("ip|default|google").next_probe;
            EXPECT_EQ(now - last, expected);
            last = now;
            PROBE(7);
            heed(answered(c.permanent ? 553 : 421, "5.7.1 [BL21] listed", judgement, 7));
            breaker->passed(7, now);
        }
    }
    RestraintChanges changes = breaker->take_changes();
    ASSERT_FALSE(changes.raised.empty());
    EXPECT_NE(changes.raised[0].advice.find("https://www.spamhaus.org/"), std::string::npos) << "PR-55";
}

TEST_F(BreakerTest, ReputationOfADomainSuspendsTheDomain) {
    Judgement judgement = rep(false);
    judgement.whose = {Party::sender_domain};
    heed(answered(421, "4.7.0 very low reputation of the sending domain", judgement));
    EXPECT_TRUE(closed());
    EXPECT_FALSE(closed("ip|default|google"));
}

TEST_F(BreakerTest, RepHoldKeepsTheRefusedMessageForATime) {   // PR-53
    options.rep_hold = 4h;
    breaker->configure(options, now);
    auto judged = heed(answered(553, "5.7.1 [BL21] listed", rep(true)));
    EXPECT_EQ(judged[0].outcome.result, Disposition::deferred);
    EXPECT_TRUE(judged[0].held);
    Judged again = answered(553, "5.7.1 [BL21] listed", rep(true));
    again.recipient.last_class = "rep";
    again.recipient.last_attempt = now;
    again.recipient.due_at = now - 1ms;
    now += 4h;
    judged = heed(again);
    EXPECT_EQ(judged[0].outcome.result, Disposition::failed);
}

TEST_F(BreakerTest, WhatMustNotBeSentAgainIsNot) {   // MS-pol, Y-faq: after_fix
    Judgement bounce = auth();
    bounce.after_fix = AfterFix::bounce;
    EXPECT_EQ(heed(answered(550, "5.7.515 Access denied", bounce))[0].outcome.result, Disposition::failed);
    EXPECT_TRUE(closed()) << "the rest waits all the same";
    EXPECT_EQ(heed(answered(421, "4.7.26 later", bounce, 2))[0].outcome.result, Disposition::deferred);

    Judgement once = auth();
    once.after_fix = AfterFix::resend_once;
    Judged item = answered(550, "5.7.515 Access denied", once, 3);
    EXPECT_TRUE(heed(item)[0].held);
    item.recipient.last_class = "auth";
    item.recipient.last_reply = "550 5.7.515 Access denied";
    item.recipient.last_attempt = now;
    item.recipient.due_at = now - 1ms;
    EXPECT_EQ(heed(item)[0].outcome.result, Disposition::failed) << "one try after the repair, not two";
    item.recipient.last_reply = "421 4.7.26 later";
    EXPECT_TRUE(heed(item)[0].held);
}

TEST_F(BreakerTest, AForeignFromDomainSuspendsNobody) {   // PR-49
    Judgement foreign = auth({Cause::dmarc});
    foreign.result = Disposition::failed;
    const auto judged = heed(answered(550, "5.7.26 Unauthenticated email from elsewhere.example is not accepted", foreign));
    EXPECT_EQ(judged[0].outcome.result, Disposition::failed);
    EXPECT_EQ(breaker->size(), 0u);
}

TEST_F(BreakerTest, Strict5xxTurnsItOffAlsoAtAReload) {   // PR-52
    heed(refused());
    heed(answered(421, "4.7.0 low reputation", rep(false), 2));
    options.strict_5xx = true;
    breaker->configure(options, now);
    EXPECT_FALSE(closed());
    EXPECT_TRUE(closed("ip|default|google")) << "class rep is another rule";
    heed(refused(3, 421));
    EXPECT_FALSE(closed());
    restart();
    EXPECT_FALSE(closed());
}

TEST_F(BreakerTest, TheOperatorsWordHoldsUntilHeResumes) {
    EXPECT_TRUE(breaker->suspend("example.org", "", "google", std::nullopt, "moving the domain", now));
    EXPECT_TRUE(closed());
    heed(taken(1));
    heed(refused(2));
    EXPECT_EQ(pair().reason, SuspensionReason::by_operator);
    EXPECT_FALSE(breaker->take_probe(now + 100h));
    EXPECT_FALSE(breaker->next_round());
    EXPECT_EQ(breaker->resume("example.org", "", "yahoo", now), 0u);
    EXPECT_EQ(breaker->resume("example.org", "", "google", now), 1u);
    EXPECT_EQ(breaker->wish(pair().key).concurrency, 1u);
    EXPECT_EQ(breaker->resume("example.org", "", "google", now), 1u) << "once more: at full speed";
    EXPECT_EQ(breaker->size(), 0u);
    EXPECT_FALSE(breaker->suspend("", "", "google", std::nullopt, "", now));
}

TEST_F(BreakerTest, TheOperatorMaySuspendForATime) {
    EXPECT_TRUE(breaker->suspend("", "default", "google", 2h, "", now));
    EXPECT_TRUE(closed("ip|default|google"));
    go_on(now + 1h);
    EXPECT_TRUE(closed("ip|default|google"));
    go_on(start + 3h);
    EXPECT_EQ(now, start + 2h);
    EXPECT_FALSE(closed("ip|default|google"));
}

TEST_F(BreakerTest, ResumeEndsWhatARefusalBegan) {
    heed(refused());
    EXPECT_EQ(breaker->resume("example.org", "", "google", now), 1u);
    EXPECT_FALSE(closed());
    EXPECT_TRUE(heed(refused(2))[0].held) << "and the next refusal begins it again";
}

TEST_F(BreakerTest, AnOperatorsRetryThatIsTakenReleasesThePair) {
    heed(refused());
    breaker->expect({5, 6});
    EXPECT_TRUE(breaker->is_pass(5));
    heed(refused(5));
    breaker->passed(5, now);
    EXPECT_TRUE(closed());
    EXPECT_EQ(pair().probes, 0u) << "no probe of ours";
    heed(taken(6));
    EXPECT_FALSE(closed());
}

TEST_F(BreakerTest, TheAlarmIsRaisedOnceForAPairAndItsCause) {
    heed(refused());
    save();
    EXPECT_TRUE(alarms.empty()) << "it is told with the diagnosis, which comes at once";
    for (int i = 0; i < 5; ++i) {
        const auto key = breaker->take_diagnosis(now);
        ASSERT_TRUE(key);
        breaker->diagnosed(*key, broken(), now);
        save();
        now += 15min;
    }
    ASSERT_EQ(alarms.size(), 1u);
    EXPECT_EQ(alarms[0].kind, "suspended");
    EXPECT_EQ(alarms[0].subject, "example.org at google");
    EXPECT_NE(alarms[0].text.find("5.7.26"), std::string::npos);
    EXPECT_FALSE(alarms[0].detail.empty());
    restart();
    breaker->diagnosed(*breaker->take_diagnosis(now += 1h), broken(), now);
    save();
    EXPECT_EQ(alarms.size(), 1u) << "PR-50: remembered over the restart";
    EXPECT_TRUE(cleared.empty());
    breaker->resume("example.org", "", "google", now);
    save();
    ASSERT_EQ(cleared.size(), 1u);
    EXPECT_EQ(cleared[0].second, "example.org at google");
}

TEST_F(BreakerTest, AnotherCauseAtTheProbeIsAnotherAlarm) {
    heed(refused());
    breaker->diagnosed(*breaker->take_diagnosis(now), diagnosis(FactResult::pass, FactResult::pass, now), now);
    save();
    EXPECT_EQ(alarms.size(), 1u);
    EXPECT_NE(alarms[0].text.find("nothing wrong"), std::string::npos);
    now += 1h;
    PROBE(7);
    heed(answered(550, "5.7.26 Unauthenticated email is not accepted due to domain's DMARC policy", auth({Cause::dmarc}), 7));
    breaker->diagnosed(*breaker->take_diagnosis(now), diagnosis(FactResult::pass, FactResult::pass, now), now);
    save();
    EXPECT_EQ(alarms.size(), 2u);
}

TEST_F(BreakerTest, WhereTheMachineIsRefusedNoSenderProbes) {
    heed(refused());
    heed(answered(550, "5.7.25 no PTR", auth({Cause::ptr}), 2));
    now += 1h;
    const auto key = breaker->take_probe(now);
    ASSERT_TRUE(key);
    EXPECT_EQ(*key, "ip|default|google");
    EXPECT_FALSE(breaker->take_probe(now));
    EXPECT_EQ(pair().next_probe, now + 60s);
}

TEST_F(BreakerTest, KeepsABoundedNumberOfPairs) {
    for (std::size_t i = 0; i < Breaker::kMostPairs; ++i) heed(refused(), flow("d" + std::to_string(i) + ".example"));
    EXPECT_EQ(breaker->size(), Breaker::kMostPairs);
    EXPECT_FALSE(heed(refused(), flow("one-more.example"))[0].held) << "tried again by the schedule of its class";
    EXPECT_EQ(breaker->size(), Breaker::kMostPairs);
    EXPECT_EQ(breaker->refused_pairs(), 1u);
}

// Hosts and From domains cost nothing to make up: they leave room for what providers say of our own domains and of the machine.
TEST_F(BreakerTest, StrangersLeaveRoomForProvidersAndOurDomains) {
    for (std::size_t i = 0; i < Breaker::kMostPairs; ++i) {
        Flow to_stranger = flow("example.org", "mx" + std::to_string(i) + ".stranger.example");
        to_stranger.provider.clear();
        heed(refused(), to_stranger);
    }
    EXPECT_EQ(breaker->size(), Breaker::kMostOfStrangers);
    Flow made_up = flow("made-up.example");
    made_up.dkim_domain.clear();
    EXPECT_FALSE(heed(refused(), made_up)[0].held);
    EXPECT_TRUE(heed(refused())[0].held);
    heed(answered(550, "5.7.25 no PTR record", auth({Cause::ptr})), made_up);
    EXPECT_TRUE(closed("ip|default|google"));
}

TEST_F(BreakerTest, AProbeByTheNextMessageThatSaysNothingIsFollowedByAnother) {
    heed(refused());
    now += 1h;
    breaker->no_probe(*breaker->take_probe(now), now);
    heed(answered(450, "4.2.0 greylisted", Judgement(), 9, Stage::rcpt));
    EXPECT_TRUE(closed());
    EXPECT_EQ(pair().next_probe, now + 60s);
}

TEST_F(BreakerTest, HearsOfWhatGoesByTheFallbackRelay) {
    Judged item = refused();
    item.at_once = item.diverted = true;
    const auto judged = heed(item);
    EXPECT_TRUE(closed()) << "diagnosed, told and probed as any other";
    EXPECT_FALSE(judged[0].held) << "but the mail goes on, by the relay";
}

TEST_F(BreakerTest, WhatIsTriedAnotherWayIsNotItsBusiness) {
    Judged item = refused();
    item.at_once = true;
    EXPECT_FALSE(heed(item)[0].held);
    EXPECT_EQ(breaker->size(), 0u);
    Flow nowhere;
    heed(refused(), nowhere);
    EXPECT_EQ(breaker->size(), 0u);
}

TEST_F(BreakerTest, WordsForPeople) {
    heed(refused());
    EXPECT_EQ(pair().name(), "example.org at google");
    EXPECT_EQ(pair().sentence(), "google refuses mail of example.org until its SPF or DKIM is repaired");
    heed(answered(421, "4.7.0 x", rep(false), 2));
    EXPECT_EQ(pair("ip|default|google").name(), "this machine at google");
    EXPECT_EQ(pair("ip|default|google").sentence(), "google refuses this machine's mail for its reputation");
}

TEST_F(BreakerTest, AHeldRowIsDueSinceItWasFirstHeld) {   // 2.7: m.attempts unchanged; contract of due times
    Judged item = heed(refused())[0];
    item.recipient.attempts = 3;
    queue::Verdict verdict = verdict_of(item, start - 1h, options, now, 0.5);
    EXPECT_EQ(verdict.due_at, start - 1ms);
    EXPECT_FALSE(verdict.count_attempt);
    EXPECT_EQ(verdict.failure_class, "auth");
    queue::Recipient row = item.recipient;
    row.last_class = verdict.failure_class;
    row.last_attempt = verdict.attempted_at;
    row.due_at = verdict.due_at;
    EXPECT_EQ(held_since(row), start - 1ms);
    // At a later probe: still since then.
    now += 4h;
    Judged probe = refused();
    probe.recipient = row;
    probe = heed(probe)[0];
    verdict = verdict_of(probe, start - 1h, options, now, 0.5);
    EXPECT_EQ(verdict.due_at, start - 1ms);
    EXPECT_EQ(verdict.attempted_at, now);
    // 72 hours from the first hold, never beyond the message's own time.
    row.last_attempt = now;
    EXPECT_FALSE(has_expired(row, start - 1h, options, start + 72h - 1s));
    EXPECT_TRUE(has_expired(row, start - 1h, options, start + 72h));
    row.expires_at = start + 10h;
    EXPECT_TRUE(has_expired(row, start - 1h, options, start + 10h));
    // What is due at once by another way (a fallback relay) is not held, whatever class refused it.
    Judged elsewhere = answered(553, "5.7.1 [BL21] listed", rep(true));
    elsewhere.at_once = elsewhere.diverted = true;
    elsewhere.outcome.result = Disposition::deferred;
    const queue::Verdict other = verdict_of(elsewhere, start - 1h, options, now, 0.5);
    queue::Recipient going = elsewhere.recipient;
    going.last_class = other.failure_class;
    going.last_reply = other.reply;
    going.last_attempt = other.attempted_at;
    going.due_at = other.due_at;
    EXPECT_FALSE(held_since(going));
    EXPECT_FALSE(has_expired(going, start - 1h, options, now + 1s));
    // One that is not held, as it is tried by the schedule: its due time lies after its last attempt.
    row.due_at = now + 15min;
    EXPECT_FALSE(held_since(row));
}

}  // namespace
TEST(TellOfSuspension, MailThatWaitedUntriedGetsTheReplyWithoutOthersAddresses) {   // PR-48
    SuspendedPair pair;
    pair.reason = SuspensionReason::auth;
    pair.verbatim = "550-5.7.26 Mail to <carol@example.net> is blocked: Unauthenticated\r\n550 5.7.26 mail from Alice@example.com.";
    pair.host = "mx.example.net[192.0.2.1]";
    queue::Recipient untried;
    tell_of_suspension(pair, untried);
    EXPECT_EQ(untried.last_reply, "550-5.7.26 Mail to <@> is blocked: Unauthenticated\r\n550 5.7.26 mail from <@>");
    EXPECT_EQ(untried.last_class, "auth");
    queue::Recipient tried;
    tried.last_reply = "550 5.7.26 to <dave@example.net>";
    tell_of_suspension(pair, tried);
    EXPECT_EQ(tried.last_reply, "550 5.7.26 to <dave@example.net>") << "its own";
}

}  // namespace posthorn::delivery
