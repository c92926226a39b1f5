// Questions in a row, answers kept for a minute.
#include "app/examination_desk.hpp"

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/utc.hpp"
#include "mail/domain.hpp"

namespace posthorn::app {

namespace json = boost::json;

ExaminationDesk::ExaminationDesk(net::asio::io_context& home, std::string config_path, std::function<std::vector<std::string>()> domains,
                                 std::function<doctor::QueueFact()> queue)
    : home_(home), config_path_(std::move(config_path)), domains_(std::move(domains)), queue_(std::move(queue)) {}

ExaminationDesk::~ExaminationDesk() {
    stop();
    join();
}

// Subdomains are signed for and judged with the domain above them. Whoever else's domain it is: this is no tool to look at strangers with.
bool ExaminationDesk::is_ours(const std::string& domain) const {
    const std::vector<std::string> ours = domains_();
    return std::any_of(ours.begin(), ours.end(), [&](const std::string& one) { return domain == one || mail::is_subdomain_of(domain, one); });
}

void ExaminationDesk::ask(Question question, Done done) {
    if (stop_.stop_requested()) return;
    const auto answer = [this, &done](admin::Examined given) {
        net::asio::post(home_, [stop = stop_.get_token(), done = std::move(done), given = std::move(given)]() mutable {
            if (!stop.stop_requested()) done(std::move(given));
        });
    };
    if (!is_ours(question.second)) {
        answer({404, question.second + " is none of our domains; the configuration has no [[domain]] that covers it"});
        return;
    }
    const SteadyTime now = std::chrono::steady_clock::now();
    std::erase_if(kept_, [now](const auto& one) { return now - one.second.at >= kFresh; });
    if (const auto known = kept_.find(question); known != kept_.end()) {
        answer(known->second.answer);
        return;
    }
    for (auto& [other, dones] : waiting_) {
        if (other != question) continue;
        dones.push_back(std::move(done));
        return;
    }
    if (waiting_.size() >= kMostWaiting) {
        answer({503, "other examinations are under way, one at a time; ask again in a few seconds"});
        return;
    }
    waiting_.emplace_back(std::move(question), std::vector<Done>());
    waiting_.back().second.push_back(std::move(done));
    if (waiting_.size() == 1) begin_next();
}

void ExaminationDesk::begin_next() {
    if (waiting_.empty()) return;
    const Question question = waiting_.front().first;
    ExaminationOrder order;
    order.config_path = config_path_;
    order.domain = question.second;
    order.queue = queue_();
    order.stop = stop_.get_token();
    if (!thread_) thread_ = std::make_unique<net::asio::thread_pool>(1);
    net::asio::post(*thread_, [this, question, order = std::move(order)] {
        Result<std::string> found = question.first == Kind::doctor ? doctor_report(order) : domain_records(order);
        if (order.stop.stop_requested()) return;   // the home shard may have ended
        admin::Examined answer{found ? 200U : 500U, found ? std::move(*found) : found.error().what};
        net::asio::post(home_, [this, stop = order.stop, question, answer = std::move(answer)]() mutable {
            if (!stop.stop_requested()) ended(question, std::move(answer));
        });
    });
}

void ExaminationDesk::ended(const Question& question, admin::Examined answer) {
    std::vector<Done> dones = std::move(waiting_.front().second);
    waiting_.pop_front();
    if (answer.status == 200) {
        if (question.first == Kind::doctor) remember(question.second, answer.body);
        if (kept_.size() >= kMostKept)
            kept_.erase(std::min_element(kept_.begin(), kept_.end(), [](const auto& a, const auto& b) { return a.second.at < b.second.at; }));
        Kept& kept = kept_[question];
        kept.at = std::chrono::steady_clock::now();
        kept.answer = answer;
    }
    begin_next();
    for (Done& done : dones) done(answer);
}

void ExaminationDesk::remember(const std::string& domain, const std::string& report) {
    boost::system::error_code broken;
    const json::value told = json::parse(report, broken);
    if (broken || !told.is_object()) return;
    json::object summary;
    for (const char* member : {"verdict", "counts"})
        if (const json::value* value = told.as_object().if_contains(member)) summary[member] = *value;
    // Only those that are listed: subdomains would have no end.
    const std::vector<std::string> ours = domains_();
    std::erase_if(visits_, [&](const auto& one) { return std::find(ours.begin(), ours.end(), one.first) == ours.end(); });
    if (std::find(ours.begin(), ours.end(), domain) == ours.end()) return;
    LastVisit& last = visits_[domain];
    last.at = wall_now();
    last.summary = json::serialize(summary);
}

std::string ExaminationDesk::domains_json() const {
    json::array all;
    for (const std::string& name : domains_()) {
        json::object one;
        one["name"] = name;
        one["examined_at"] = nullptr;
        if (const auto visit = visits_.find(name); visit != visits_.end()) {
            one["examined_at"] = utc_text(visit->second.at);
            const json::value summary = json::parse(visit->second.summary);
            for (const auto& member : summary.as_object()) one[member.key()] = member.value();
        }
        all.push_back(std::move(one));
    }
    return json::serialize(json::object{{"domains", std::move(all)}});
}

void ExaminationDesk::stop() { stop_.request_stop(); }

void ExaminationDesk::join() {
    if (thread_) thread_->join();
}

}  // namespace posthorn::app
