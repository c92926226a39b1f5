// Rounds of questions: each asks all that the rules want at once, until they want no more.
#include "delivery/inquiry.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "dns/answers.hpp"
#include "dns/authorities.hpp"
#include "dns/resolver.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"

namespace posthorn::delivery {

namespace asio = net::asio;
using auth::DnsAnswer;
using auth::DnsAnswers;
using auth::DnsQuestion;
using auth::DnsStatus;
using auth::DnsType;
using net::awaitable;

dns::RecordType record_type(DnsType type) {
    switch (type) {
        case DnsType::a:
            return dns::RecordType::a;
        case DnsType::aaaa:
            return dns::RecordType::aaaa;
        case DnsType::cname:
            return dns::RecordType::cname;
        case DnsType::mx:
            return dns::RecordType::mx;
        case DnsType::ns:
            return dns::RecordType::ns;
        case DnsType::ptr:
            return dns::RecordType::ptr;
        case DnsType::soa:
            return dns::RecordType::soa;
        case DnsType::txt:
            break;
    }
    return dns::RecordType::txt;
}

DnsAnswer answer_from(dns::Lookup lookup) {
    DnsAnswer answer;
    switch (lookup.status) {
        case dns::Status::ok:
            answer.status = DnsStatus::ok;
            break;
        case dns::Status::nxdomain:
            answer.status = DnsStatus::nxdomain;
            break;
        case dns::Status::no_data:
            answer.status = DnsStatus::no_data;
            break;
        case dns::Status::temporary:
            break;
    }
    answer.ttl = lookup.ttl;
    answer.authentic = lookup.authenticated;
    answer.detail = std::move(lookup.detail);
    std::stable_sort(lookup.records.begin(), lookup.records.end(),
                     [](const dns::Record& a, const dns::Record& b) { return a.preference < b.preference; });
    for (dns::Record& record : lookup.records) {
        if (record.type == dns::RecordType::a || record.type == dns::RecordType::aaaa)
            answer.addresses.push_back(dns::address_of(record));
        else
            answer.texts.push_back(std::move(record.text));
    }
    return answer;
}

namespace {

constexpr unsigned kMaxRounds = 40;  // SPF takes some twenty at worst (RFC 7208 s4.6.4)

DnsAnswer nothing(std::string why) {
    DnsAnswer answer;
    answer.detail = std::move(why);
    return answer;
}

// What the questions under way and the one who waits for them share: questions may outlast him.
struct Asking {
    Asking(asio::any_io_executor executor, dns::Resolver& at, DnsRules wants, DnsViews known)
        : resolver(at),
          authorities(executor, at),
          answered(executor),
          rules(std::move(wants)),
          views(std::move(known)) {}

    dns::Resolver& resolver;
    dns::Authorities authorities;
    net::Signal answered;
    DnsRules rules;
    std::size_t under_way = 0;
    std::size_t asked = 0;
    DnsViews views;
};

// By all servers of its zone, for each view of them.
awaitable<void> ask_authorities(std::shared_ptr<Asking> asking, DnsQuestion question) {
    dns::AuthorityAnswers told = co_await asking->authorities.ask(question.name, record_type(question.type));
    std::vector<DnsAnswer> answers;
    for (dns::AuthorityAnswer& one : told.servers) {
        if (one.lookup.status != dns::Status::temporary && one.lookup.chain_is_open) {
            // A CNAME into somebody else's zone: from there on it is his to publish.
            dns::Lookup rest =
                co_await asking->resolver.look_up(one.lookup.final_name, record_type(question.type), true);
            rest.ttl = std::min(rest.ttl, one.lookup.ttl);
            answers.push_back(answer_from(std::move(rest)));
            continue;
        }
        std::string who = one.server + (one.address.empty() ? std::string() : " (" + one.address + ")");
        if (one.lookup.status == dns::Status::temporary) one.lookup.detail = who + " " + one.lookup.detail;
        answers.push_back(answer_from(std::move(one.lookup)));
    }
    for (std::size_t i = 0; i < asking->views.at_authorities.size(); ++i)
        asking->views.at_authorities[i].add(
            question, answers.empty() ? nothing(told.detail) : answers[i % answers.size()]);
}

// At the resolver; what is not of our zones is so for them, too.
awaitable<void> ask_resolver(std::shared_ptr<Asking> asking, DnsQuestion question, bool for_all) {
    dns::Lookup told = co_await asking->resolver.look_up(question.name, record_type(question.type), true);
    const DnsAnswer answer = answer_from(std::move(told));
    asking->views.at_resolver.add(question, answer);
    if (!for_all) co_return;
    for (DnsAnswers& view : asking->views.at_authorities) view.add(question, answer);
}

awaitable<void> ask(std::shared_ptr<Asking> asking, DnsQuestion question, bool ours, bool of_resolver,
                    bool of_authorities) {
    std::string broken;
    try {
        if (of_resolver) co_await ask_resolver(asking, question, !ours);
        if (of_authorities) co_await ask_authorities(asking, question);
    } catch (const std::exception& failure) {
        broken = failure.what();  // no memory: the question stays open
    }
    if (!broken.empty()) log::error("dns_inquiry").kv("question", question.name).kv("error", broken);
    --asking->under_way;
    if (asking->rules.progress) asking->rules.progress(asking->asked - asking->under_way, asking->asked);
    asking->answered.notify();
}

void merge(std::vector<DnsQuestion>& all, std::vector<DnsQuestion> more) {
    for (DnsQuestion& question : more)
        if (std::find(all.begin(), all.end(), question) == all.end()) all.push_back(std::move(question));
}

// Questions of one round: those of any place that some place wants and does not know.
std::vector<DnsQuestion> wanted_by(const Asking& asking) {
    std::vector<DnsQuestion> wanted;
    merge(wanted, asking.rules.wanted(asking.views.at_resolver));
    for (const DnsAnswers& view : asking.views.at_authorities) merge(wanted, asking.rules.wanted(view));
    return wanted;
}

void begin(const asio::any_io_executor& executor, const std::shared_ptr<Asking>& asking,
           const std::vector<DnsQuestion>& wanted) {
    for (const DnsQuestion& one : wanted) {
        const bool ours = asking->rules.ours && asking->rules.ours(one.name);
        ++asking->under_way;
        ++asking->asked;
        // Side by side: neither waits for the other.
        if (ours && !asking->views.at_authorities.empty()) {
            ++asking->under_way;
            ++asking->asked;
            asio::co_spawn(executor, ask(asking, one, ours, false, true), asio::detached);
        }
        asio::co_spawn(executor, ask(asking, one, ours, true, false), asio::detached);
    }
}

// What nobody answered stays unknown.
void give_up(Asking& asking) {
    for (unsigned round = 0; round < kMaxRounds; ++round) {
        bool any = false;
        const auto fill = [&](DnsAnswers& view) {
            for (DnsQuestion& one : asking.rules.wanted(view)) {
                view.add(std::move(one), nothing("not answered in time"));
                any = true;
            }
        };
        fill(asking.views.at_resolver);
        for (DnsAnswers& view : asking.views.at_authorities) fill(view);
        if (!any) return;
    }
}

// Until all questions of the round are answered. False: the time is over, or the group stops.
awaitable<bool> await_round(std::shared_ptr<Asking> asking, net::TaskGroup* group, SteadyTime end) {
    while (asking->under_way > 0) {
        if (group != nullptr && group->stopping()) co_return false;
        const bool in_time = co_await asking->answered.wait_until(end);
        if (!in_time) co_return false;
    }
    co_return group == nullptr || !group->stopping();
}

awaitable<void> ask_all(std::shared_ptr<Asking> asking, net::TaskGroup* group, SteadyTime end) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    std::size_t questions = 0;
    for (unsigned round = 0; round < kMaxRounds; ++round) {
        const std::vector<DnsQuestion> wanted = wanted_by(*asking);
        questions += wanted.size();
        if (wanted.empty() || questions > asking->rules.max_questions) co_return;
        begin(executor, asking, wanted);
        if (!co_await await_round(asking, group, end)) co_return;
    }
}

}  // namespace

awaitable<DnsViews> inquire(dns::Resolver& resolver, DnsRules rules, DnsViews views, SteadyTime end,
                            net::TaskGroup* group) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto asking = std::make_shared<Asking>(executor, resolver, std::move(rules), std::move(views));
    asking->views.at_authorities.resize(resolver.options().authority_servers);
    std::optional<net::TaskGroup::StopCallback> on_stop;
    if (group != nullptr)
        on_stop.emplace(
            *group, [asking] { asking->answered.notify(); }, std::function<void()>());
    co_await ask_all(asking, group, end);
    give_up(*asking);
    // Copied, as questions that nobody waits for any more may still come in.
    DnsViews found = asking->views;
    co_return found;
}

}  // namespace posthorn::delivery
