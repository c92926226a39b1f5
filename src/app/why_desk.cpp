// Gathering the facts of a question, one source after the other.
#include "app/why_desk.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "delivery/why.hpp"
#include "mail/address.hpp"
#include "mail/domain.hpp"
#include "net/callback.hpp"

namespace posthorn::app {
namespace {

using delivery::WayNow;
using delivery::WayQuestion;
using delivery::WhyFacts;

constexpr std::size_t kMostWays = 3;             // each may ask DNS for some seconds
constexpr std::size_t kMostRecipients = 5;            // recipients that wait, of a domain or provider
constexpr std::size_t kMostLately = 10;          // entries of the journal, of anything but a message
constexpr std::size_t kMostOfMessage = 1000;
constexpr int kMostScans = 30;                   // parts of the journal that are looked at
constexpr std::size_t kMostDomains = 2000;       // of a provider

}  // namespace

WhyFacts::Kind kind_of_question(const std::string& what, const std::map<std::string, std::string>& groups) {
    if (QueueId::parse(what)) return WhyFacts::Kind::message;
    if (what.find('@') != std::string::npos) return WhyFacts::Kind::recipient;
    // A group without a provider's name is called by its first mail host, which looks like a domain.
    const bool is_group = std::any_of(groups.begin(), groups.end(), [&](const auto& one) { return one.second == what; });
    if (is_group && !groups.contains(what)) return WhyFacts::Kind::provider;
    return what.find('.') != std::string::npos || what.starts_with('[') ? WhyFacts::Kind::domain : WhyFacts::Kind::provider;
}

void WhyDesk::answer(std::string what, const auth::Suspensions& suspensions, UniqueFunction<void(std::string)> done) {
    if (!tasks_.stopping()) tasks_.spawn(find_out(std::move(what), &suspensions, std::move(done)));
}

net::awaitable<void> WhyDesk::find_out(std::string what, const auth::Suspensions* suspensions, UniqueFunction<void(std::string)> done) {
    WhyFacts facts;
    facts.now = wall_now();
    facts.kind = kind_of_question(what, agent_.groups_of_domains());
    facts.asked = std::move(what);
    facts.health = store_.health();
    switch (facts.kind) {
        case WhyFacts::Kind::message: co_await about_message(facts); break;
        case WhyFacts::Kind::recipient: co_await about_recipient(facts); break;
        case WhyFacts::Kind::domain: co_await about_domain(facts); break;
        case WhyFacts::Kind::provider: co_await about_provider(facts); break;
    }
    for (const queue::QueueEntry& entry : facts.entries)
        if (const auth::Suspension* found = suspensions->find_source(entry.source)) facts.suspended_users.emplace(entry.source, *found);
    co_await add_ways(facts);
    facts.now = wall_now();
    if (!tasks_.stopping()) done(boost::json::serialize(delivery::why_json(facts)));
}

net::awaitable<void> WhyDesk::about_message(WhyFacts& facts) {
    const QueueId id = *QueueId::parse(facts.asked);
    facts.asked = id.to_string();
    agent_.add_limits(facts);
    auto show = [this, id](auto then) { store_.show(id, std::move(then)); };
    auto entry = co_await net::callback_result<queue::StoreResult<queue::QueueEntry>>(std::move(show));
    if (entry) facts.entries.push_back(std::move(*entry));
    queue::JournalQuery query;
    query.message = id;
    query.limit = kMostOfMessage;
    co_await add_journal(facts, std::move(query));
}

net::awaitable<void> WhyDesk::about_recipient(WhyFacts& facts) {
    agent_.add_limits(facts);
    queue::Lookup lookup;
    lookup.address = facts.asked;
    lookup.domain = mail::destination_of(facts.asked);
    lookup.limit = kMostRecipients;
    facts.waiting = co_await look_up(std::move(lookup));
    facts.entries = std::move(facts.waiting->oldest);
    queue::JournalQuery query;
    query.to = facts.asked;
    query.limit = kMostLately;
    co_await add_journal(facts, std::move(query));
}

net::awaitable<void> WhyDesk::about_domain(WhyFacts& facts) {
    if (const auto ascii = mail::to_ascii(facts.asked)) facts.asked = *ascii;
    agent_.add_limits(facts);
    queue::Lookup lookup;
    lookup.domain = facts.asked;
    lookup.limit = kMostRecipients;
    facts.waiting = co_await look_up(std::move(lookup));
    facts.entries = std::move(facts.waiting->oldest);
    queue::Lookup sent;
    sent.sender_domain = facts.asked;
    sent.limit = kMostRecipients;
    facts.sent_from = co_await look_up(std::move(sent));
    if (facts.entries.empty()) facts.entries = std::move(facts.sent_from->oldest);
    queue::JournalQuery query;
    query.domain = facts.asked;
    query.limit = kMostLately;
    co_await add_journal(facts, std::move(query));
}

net::awaitable<void> WhyDesk::about_provider(WhyFacts& facts) {
    agent_.add_limits(facts);
    const std::map<std::string, std::string> groups = agent_.groups_of_domains();
    std::vector<std::string> domains;
    for (const auto& [domain, group] : groups)
        if (delivery::is_asked_about(facts, group) && domains.size() < kMostDomains) domains.push_back(domain);
    queue::AgeQuery ages;
    ages.now = facts.now;
    for (bool complete = false; !complete && !tasks_.stopping();) {
        auto ask = [this, ages](auto then) { store_.ages(ages, std::move(then)); };
        auto page = co_await net::callback_result<queue::StoreResult<queue::AgePage>>(std::move(ask));
        if (!page) break;
        for (const queue::AgeRow& row : page->rows)
            if (std::binary_search(domains.begin(), domains.end(), row.name)) facts.domains[row.name] += row.total();
        ages.after = page->looked_to;
        complete = page->complete;
    }
    const auto fullest = std::max_element(facts.domains.begin(), facts.domains.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    if (fullest != facts.domains.end()) {
        queue::Lookup lookup;
        lookup.domain = fullest->first;
        lookup.limit = 2;
        queue::LookedUp found = co_await look_up(std::move(lookup));
        facts.entries = std::move(found.oldest);
    }
    queue::TallyQuery tally;
    tally.recent = facts.now - std::chrono::hours(1);
    tally.since = facts.now - std::chrono::hours(24);
    for (int scans = 0; scans < kMostScans; ++scans) {
        auto ask = [this, tally](auto then) { store_.tally(tally, std::move(then)); };
        auto page = co_await net::callback_result<queue::StoreResult<queue::TallyPage>>(std::move(ask));
        if (!page) break;
        for (const queue::TallyRow& row : page->rows)
            if (delivery::is_asked_about(facts, row.group)) facts.tally.add(row);
        tally.before = page->looked_to;
        if (page->complete) break;
    }
    std::vector<std::string> members = delivery::members_of(*facts.rules, facts.asked);
    const bool family = !members.empty();
    if (!family) members.push_back(facts.asked);
    for (const std::string& member : members) {
        queue::JournalQuery query;
        query.group = member;
        query.limit = facts.journal.size() + kMostLately;
        co_await add_journal(facts, std::move(query));
    }
    std::stable_sort(facts.journal.begin(), facts.journal.end(), [](const auto& a, const auto& b) { return a.seq > b.seq; });
    if (facts.journal.size() > kMostLately) facts.journal.erase(facts.journal.begin() + kMostLately, facts.journal.end());
    facts.known_provider = family || facts.rules->provider(facts.asked) != nullptr || !domains.empty() || !facts.pairs.empty() ||
                           !facts.throttles.empty() || !facts.warm_ups.empty() || !facts.journal.empty();
}

net::awaitable<void> WhyDesk::add_journal(WhyFacts& facts, queue::JournalQuery query) {
    query.newest_first = true;
    for (int scans = 0; scans < kMostScans && !tasks_.stopping(); ++scans) {
        auto ask = [this, query](auto then) { store_.journal(query, std::move(then)); };
        auto page = co_await net::callback_result<queue::StoreResult<queue::JournalPage>>(std::move(ask));
        if (!page) co_return;
        for (queue::JournalEntry& entry : page->entries) facts.journal.push_back(std::move(entry));
        if (!facts.journal_from && page->first != 0) {
            queue::JournalQuery oldest;
            oldest.limit = 1;
            oldest.details = false;
            auto ask_first = [this, oldest](auto then) { store_.journal(oldest, std::move(then)); };
            auto first = co_await net::callback_result<queue::StoreResult<queue::JournalPage>>(std::move(ask_first));
            if (first && !first->entries.empty()) facts.journal_from = first->entries.front().at;
        }
        if (page->complete || facts.journal.size() >= query.limit) co_return;
        query.before = page->looked_to;
    }
}

net::awaitable<queue::LookedUp> WhyDesk::look_up(queue::Lookup lookup) {
    auto ask = [this, lookup = std::move(lookup)](auto then) mutable { store_.look_up(std::move(lookup), std::move(then)); };
    auto found = co_await net::callback_result<queue::StoreResult<queue::LookedUp>>(std::move(ask));
    queue::LookedUp result;
    if (found) result = std::move(*found);
    co_return result;
}

net::awaitable<void> WhyDesk::add_ways(WhyFacts& facts) {
    std::set<WayQuestion> asked;
    std::vector<WayQuestion> questions;
    for (const queue::QueueEntry& entry : facts.entries) {
        for (const queue::Recipient& recipient : entry.recipients) {
            WayQuestion question;
            question.domain = mail::destination_of(recipient.address);
            question.lane = recipient.lane;
            if (asked.size() < kMostWays && asked.insert(question).second) questions.push_back(std::move(question));
        }
    }
    for (const WayQuestion& question : questions) {
        if (tasks_.stopping()) co_return;
        auto ask = [this, question](auto then) { agent_.stand(question, std::move(then)); };
        WayNow way = co_await net::callback_result<WayNow>(std::move(ask));
        facts.ways.push_back(std::move(way));
    }
}

}  // namespace posthorn::app
