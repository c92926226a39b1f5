// The breaker over random sequences of answers, diagnoses, orders and restarts: what must hold at every step.
#include <random>
#include <set>

#include "breaker_fixture.hpp"

namespace posthorn::delivery {
namespace {

class BreakerModel : public BreakerFixture {
protected:
    // What a restart may change of a pair: the file knows no probe that was under way.
    void expect_same_after_restart() {
        const std::vector<SuspendedPair> before = breaker->view();
        restart();
        const std::vector<SuspendedPair> after = breaker->view();
        ASSERT_EQ(after.size(), before.size());
        for (std::size_t i = 0; i < before.size(); ++i) {
            const SuspendedPair& was = before[i];
            const SuspendedPair& is = after[i];
            EXPECT_EQ(is.key, was.key);
            EXPECT_EQ(is.name(), was.name());
            EXPECT_EQ(is.reason, was.reason);
            EXPECT_EQ(is.since, was.since);
            EXPECT_EQ(is.reply, was.reply);
            EXPECT_EQ(is.verbatim, was.verbatim);
            EXPECT_EQ(is.causes, was.causes);
            EXPECT_EQ(is.probes, was.probes);
            EXPECT_EQ(is.next_poll, was.next_poll);
            EXPECT_EQ(is.until, was.until);
            EXPECT_EQ(is.unexplained, was.unexplained);
            EXPECT_EQ(is.holds(), was.holds());
            EXPECT_EQ(is.diagnosis != nullptr, was.diagnosis != nullptr);
            if (is.diagnosis && was.diagnosis) {
                EXPECT_EQ(*is.diagnosis, *was.diagnosis);
            }
            if (was.phase == SuspensionPhase::held) {
                // One that was put off for another gate's sake is not written down each time.
                EXPECT_EQ(is.next_probe.has_value(), was.next_probe.has_value());
                EXPECT_LE(is.next_probe, was.next_probe);
            }
            EXPECT_EQ(is.phase, was.holds() ? SuspensionPhase::held : SuspensionPhase::releasing);
        }
        probes.clear();
    }

    void check() {
        for (const SuspendedPair& pair : breaker->view()) {
            const queue::GateSettings wish = breaker->wish(pair.key);
            switch (pair.phase) {
                case SuspensionPhase::held:
                case SuspensionPhase::probing: EXPECT_EQ(wish.allowance, 0u); break;
                case SuspensionPhase::trial: EXPECT_EQ(wish.allowance, 1u); break;
                case SuspensionPhase::releasing:
                    EXPECT_EQ(wish.allowance, std::nullopt);
                    EXPECT_GE(wish.concurrency, 1u);
                    EXPECT_LE(wish.concurrency, Breaker::kReleased);
                    break;
            }
            // Nothing is forgotten: whoever is held is looked at again, probed, or waits for the operator's word or the end of his time.
            if (pair.phase == SuspensionPhase::held && pair.reason != SuspensionReason::by_operator) {
                EXPECT_TRUE(pair.next_poll || pair.next_probe) << pair.key;
            }
            if (pair.reason == SuspensionReason::by_operator) {
                EXPECT_FALSE(pair.next_probe);
            }
        }
    }

    std::map<std::string, queue::RecipientId> probes;   // under way, by pair
};

TEST_F(BreakerModel, HoldsItsPromisesOverRandomSequences) {
    for (unsigned seed = 0; seed < 60; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        const auto any = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
        breaker = std::make_unique<Breaker>();
        file.clear();
        probes.clear();
        now = start;
        options = {};
        options.rep_hold = any(2) == 0 ? Duration(0) : Duration(4h);
        breaker->configure(options, now);
        queue::RecipientId next_id = 1;
        std::map<std::string, TimePoint> last_probe;
        for (int step = 0; step < 400; ++step) {
            const Flow of = flow(any(2) == 0 ? "example.org" : "example.net", any(2) == 0 ? "google" : "yahoo");
            queue::RecipientId id = next_id++;
            switch (any(12)) {
                case 0:
                case 1: heed(refused(id, any(2) == 0 ? 421 : 550), of); break;
                case 2: heed(answered(550, "5.7.25 no PTR", auth({Cause::ptr}), id), of); break;
                case 3: heed(answered(421, "4.7.0 reputation", rep(any(2) == 0), id), of); break;
                case 4: heed(taken(id), of); break;
                case 5: {   // time passes
                    go_on(now + 1h * (1 + any(6)));
                    break;
                }
                case 6:
                case 7: {   // a diagnosis
                    const auto key = breaker->take_diagnosis(now);
                    if (!key) break;
                    const FactResult results[] = {FactResult::pass, FactResult::fail, FactResult::unknown};
                    breaker->diagnosed(*key, diagnosis(results[any(3)], results[any(3)], now, any(2) == 0), now);
                    break;
                }
                case 8: {   // a probe, if one is due
                    const auto key = breaker->take_probe(now);
                    if (!key) break;
                    EXPECT_FALSE(probes.contains(*key)) << "one at a time";
                    EXPECT_TRUE(!last_probe.contains(*key) || now - last_probe[*key] >= options.auth_settle);
                    if (any(4) == 0) {
                        breaker->no_probe(*key, now);
                        break;
                    }
                    last_probe[*key] = now;
                    probes[*key] = id;
                    breaker->probe_sent(*key, id, now);
                    break;
                }
                case 9: {   // the answer to one
                    if (probes.empty()) break;
                    const auto at = std::next(probes.begin(), any(static_cast<int>(probes.size())));
                    const SuspendedPair* pair = breaker->find(at->first);
                    const queue::RecipientId probe = at->second;
                    Flow probed = of;
                    if (pair != nullptr) probed = flow(pair->sender.empty() ? "example.org" : pair->sender, pair->group);
                    probes.erase(at);
                    const int kind = any(4);
                    if (kind == 0) heed(taken(probe), probed);
                    else if (kind == 1) heed(refused(probe), probed);
                    else if (kind == 2) heed(answered(450, "4.2.0 greylisted", Judgement(), probe, Stage::rcpt), probed);
                    breaker->passed(probe, now);
                    break;
                }
                case 10: {   // orders
                    if (any(3) == 0) breaker->suspend(of.sender_org, "", of.group, any(2) == 0 ? std::optional<Duration>(2h) : std::nullopt, "words", now);
                    else if (any(3) == 0) breaker->resume(of.sender_org, "", of.group, now);
                    break;
                }
                case 11: expect_same_after_restart(); break;
                default: break;
            }
            // A probe that is over for the breaker (an hour without a word, an order) is over here.
            std::erase_if(probes, [&](const auto& probe) {
                const SuspendedPair* pair = breaker->find(probe.first);
                return pair == nullptr || pair->phase != SuspensionPhase::probing;
            });
            check();
            if (HasFailure()) FAIL() << "step " << step;
        }
    }
}

// PR-50: a kill at every step of one suspension, and it ends as it would have ended.
TEST_F(BreakerModel, ASuspensionThatIsKilledAtEveryStepEndsAllTheSame) {
    heed(refused());
    restart();
    EXPECT_TRUE(closed());
    ASSERT_TRUE(breaker->take_diagnosis(now));
    restart();   // while the diagnosis was under way
    const auto key = breaker->take_diagnosis(now);
    ASSERT_TRUE(key) << "asked anew";
    breaker->diagnosed(*key, broken(), now);
    restart();
    EXPECT_FALSE(pair().next_probe);
    ASSERT_TRUE(pair().diagnosis);
    EXPECT_EQ(pair().next_poll, start + 1min) << "the schedule of polls goes on";
    now = start + 1min;
    breaker->diagnosed(*breaker->take_diagnosis(now), repaired(), now);
    EXPECT_EQ(pair().next_probe, now + 60s) << "FAIL to PASS is seen over the restart";
    restart();
    EXPECT_EQ(pair().next_probe, now + 60s);
    now += 60s;
    breaker->probe_sent(*breaker->take_probe(now), 7, now);
    restart();   // what became of the probe is not known
    EXPECT_TRUE(closed());
    EXPECT_EQ(pair().probes, 1u);
    EXPECT_EQ(pair().next_probe, now + 60s);
    now += 60s;
    breaker->probe_sent(*breaker->take_probe(now), 8, now);
    heed(taken(8));
    restart();
    EXPECT_FALSE(closed());
    EXPECT_EQ(breaker->wish(pair().key).concurrency, 1u);
    go_on(now + 1h);
    EXPECT_EQ(breaker->size(), 0u);
    restart();
    EXPECT_EQ(breaker->size(), 0u);
    EXPECT_TRUE(file.empty());
}

TEST_F(BreakerModel, RecordsThatCannotBeReadAreLeftAlone) {
    heed(refused());
    save();
    const std::map<std::string, std::string> good = file;
    std::mt19937 random(1);
    for (int round = 0; round < 2000; ++round) {
        Breaker fresh;
        fresh.configure(options, now);
        for (const auto& [key, value] : good) {
            std::string broken = value;
            for (int i = 0; i < 3 && !broken.empty(); ++i) {
                const std::size_t at = random() % broken.size();
                if (random() % 2 == 0) broken[at] = static_cast<char>(random());
                else broken.resize(at);
            }
            fresh.load(key, broken, now);
        }
        EXPECT_LE(fresh.size(), 1u);
        fresh.tick(now);
        (void)fresh.take_changes();
    }
}

TEST_F(BreakerModel, LongWordsOfPeersFitIntoARecord) {
    Judgement judgement = auth();
    judgement.meaning = std::string(3000, 'm');
    judgement.advice = std::string(3000, 'a');
    judgement.link = "https://example.com/" + std::string(2000, 'l');
    Judged item = answered(550, "5.7.26 " + std::string(4000, '\x01') + "\xff", judgement);
    heed(item);
    save();
    ASSERT_TRUE(file.contains("sender|example.org|google"));
    restart();
    EXPECT_TRUE(closed());
}

}  // namespace
}  // namespace posthorn::delivery
