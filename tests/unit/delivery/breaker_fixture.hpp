// A breaker with a clock that is set by hand, and the refusals and diagnoses that it is told of.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "delivery/breaker.hpp"
#include "delivery/diagnosis.hpp"
#include "delivery/flow.hpp"

namespace posthorn::delivery {

using namespace std::chrono_literals;
using smtp::protocol::Stage;

class BreakerFixture : public ::testing::Test {
protected:
    BreakerFixture() { breaker->configure(options, now); }

    static Flow flow(const std::string& sender = "example.org", const std::string& group = "google") {
        Flow of;
        of.group = of.provider = group;
        of.dkim_domain = sender;
        of.sender_org = sender;
        of.author_domain = sender;
        of.spf_domain = sender;
        of.source = "default";
        return of;
    }

    static Judgement auth(Causes causes = {Cause::spf, Cause::dkim}) {
        Judgement judgement;
        judgement.failure_class = Class::auth;
        judgement.causes = causes;
        judgement.rule = "google/unauthenticated";
        return judgement;
    }

    static Judgement rep(bool permanent) {
        Judgement judgement;
        judgement.failure_class = Class::rep;
        judgement.result = permanent ? Disposition::failed : Disposition::deferred;
        return judgement;
    }

    Judged answered(std::uint16_t code, const std::string& text, Judgement judgement, queue::RecipientId id = 1,
                    Stage stage = Stage::end_of_data) const {
        Judged item;
        item.recipient.id = id;
        item.recipient.message = QueueId(1000 + id);
        item.recipient.expires_at = start + 120h;
        item.outcome.result = judgement.result;
        item.outcome.failure_class = judgement.failure_class;
        item.outcome.stage = stage;
        item.outcome.host = "mx.google.com[192.0.2.1]";
        item.outcome.reply.code = code;
        item.outcome.reply.lines = {text};
        item.outcome.judgement = std::make_shared<const Judgement>(std::move(judgement));
        return item;
    }
    Judged refused(queue::RecipientId id = 1, std::uint16_t code = 550) const {
        return answered(code, std::to_string(code / 100) + ".7.26 This mail has been blocked because the sender is unauthenticated.", auth(), id);
    }
    Judged taken(queue::RecipientId id) const {
        Judged item;
        item.recipient.id = id;
        item.recipient.message = QueueId(1000 + id);
        item.outcome.result = Disposition::delivered;
        item.outcome.stage = Stage::end_of_data;
        item.outcome.reply.code = 250;
        return item;
    }

    std::vector<Judged> heed(const Judged& item, const Flow& of) {
        std::vector<Judged> judged = {item};
        breaker->heed(of, judged, now);
        breaker->judge_held(of, judged, now);
        return judged;
    }
    std::vector<Judged> heed(const Judged& item) { return heed(item, flow()); }

    static std::shared_ptr<const Diagnosis> diagnosis(FactResult spf, FactResult dkim, TimePoint at, bool seen_everywhere = true,
                                                      std::chrono::seconds ttl = 300s) {
        auto made = std::make_shared<Diagnosis>();
        made->at = at;
        const auto add = [&](FactKind kind, std::string subject, FactResult result) {
            Fact fact;
            fact.kind = kind;
            fact.subject = std::move(subject);
            fact.result = result;
            fact.at_authority = result == FactResult::pass;
            fact.at_resolver = result == FactResult::pass && seen_everywhere;
            fact.ttl = ttl;
            made->facts.push_back(std::move(fact));
        };
        add(FactKind::spf, "example.org from 192.0.2.7", spf);
        add(FactKind::dkim, "s1._domainkey.example.org", dkim);
        made->summary = summary_of(made->facts);
        return made;
    }
    std::shared_ptr<const Diagnosis> broken() const { return diagnosis(FactResult::fail, FactResult::fail, now); }
    std::shared_ptr<const Diagnosis> repaired() const { return diagnosis(FactResult::fail, FactResult::pass, now); }
    std::shared_ptr<const Diagnosis> silent() const { return diagnosis(FactResult::unknown, FactResult::unknown, now); }

    // Lets time pass up to the next thing to do, no further than `until`.
    void go_on(TimePoint until) {
        const auto round = breaker->next_round();
        const auto change = breaker->next_change();
        TimePoint next = until;
        for (const auto& at : {round, change})
            if (at) next = std::min(next, std::max(*at, now));
        now = next;
        breaker->tick(now);
    }
    const SuspendedPair& pair(const std::string& key = "sender|example.org|google") const {
        const SuspendedPair* found = breaker->find(key);
        EXPECT_NE(found, nullptr) << key;
        static const SuspendedPair none;
        return found == nullptr ? none : *found;
    }
    bool closed(const std::string& key = "sender|example.org|google") const { return breaker->wish(key).allowance == 0; }

    // What the file would hold, as take_changes() gives it out.
    void save() {
        RestraintChanges changes = breaker->take_changes();
        for (SavedState& state : changes.saved) {
            EXPECT_LE(state.value.size(), kMaxSavedValue);
            if (state.value.empty()) file.erase(state.key);
            else file[state.key] = state.value;
        }
        for (Alarm& alarm : changes.raised) alarms.push_back(std::move(alarm));
        for (auto& over : changes.cleared) cleared.push_back(std::move(over));
    }
    void restart() {
        save();
        breaker = std::make_unique<Breaker>();
        breaker->configure(options, now);
        for (const auto& [key, value] : file) breaker->load(key, value, now);
        breaker->tick(now);
    }

    const TimePoint start{1'800'000'000'000ms};
    TimePoint now = start;
    queue::RetryOptions options;
    std::unique_ptr<Breaker> breaker = std::make_unique<Breaker>();
    std::map<std::string, std::string> file;
    std::vector<Alarm> alarms;
    std::vector<std::pair<std::string, std::string>> cleared;
};

}  // namespace posthorn::delivery
