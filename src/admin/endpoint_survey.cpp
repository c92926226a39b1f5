// GET /v1/survey?by=: how old waiting mail is, by recipient domain, sender domain or provider, and how deliveries ended of late. Read part
// by part, so that nobody waits for it but who asked.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "admin/endpoint.hpp"
#include "admin/queue_json.hpp"
#include "base/text.hpp"

namespace posthorn::admin {
namespace {

constexpr std::size_t kMostRows = 1000;
constexpr std::size_t kRows = 20;
constexpr int kMostParts = 2000;  // of the queue or the journal: 40 million recipients

struct Survey {
    CorePtr core;
    std::string by;
    std::size_t limit = kRows;
    std::map<std::string, std::string> groups;  // of recipient domains, where `by` is the provider
    queue::AgeQuery ages;
    queue::AgeTable table;
    queue::TallyQuery tally;
    std::map<std::string, queue::TallyRow> success;
    int parts = 0;
    SteadyTime answer_by{};   // after that nobody waits for it any more
};
using SurveyPtr = std::shared_ptr<Survey>;

boost::json::object row_json(const queue::AgeRow& row, const std::string& name) {
    boost::json::object out;
    out["name"] = printable(name);
    out["total"] = row.total();
    boost::json::array counts;
    for (const std::uint64_t count : row.counts) counts.emplace_back(count);
    out["counts"] = std::move(counts);
    return out;
}

boost::json::object counts_json(const queue::TallyCounts& counts) {
    boost::json::object out;
    out["delivered"] = counts.delivered;
    out["deferred"] = counts.deferred;
    out["failed"] = counts.failed;
    return out;
}

// By name. A list's recipients have a hundred thousand mail hosts a day: past kMostRows those with the least mail are one row.
std::vector<queue::TallyRow> fullest(const std::map<std::string, queue::TallyRow>& success) {
    std::vector<queue::TallyRow> rows;
    for (const auto& [group, row] : success) {
        rows.push_back(row);
        rows.back().group = group;
    }
    if (rows.size() <= kMostRows) return rows;
    const auto tried = [](const queue::TallyRow& row) { return row.all.delivered + row.all.deferred + row.all.failed; };
    const auto rest = rows.begin() + kMostRows;
    std::nth_element(rows.begin(), rest, rows.end(), [&](const auto& a, const auto& b) { return tried(a) > tried(b); });
    queue::TallyRow others;
    for (auto row = rest; row != rows.end(); ++row) others.add(*row);
    rows.erase(rest, rows.end());
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.group < b.group; });
    others.group = "(others)";
    rows.push_back(std::move(others));
    return rows;
}

Answer answer_of(const Survey& survey) {
    boost::json::object ages;
    ages["by"] = survey.by;
    boost::json::array minutes, rows;
    for (const std::uint32_t end : queue::kAgeMinutes) minutes.emplace_back(end);
    ages["minutes"] = std::move(minutes);
    for (const queue::AgeRow& row : survey.table.fullest(survey.limit)) {
        const bool nobody = row.name.empty();
        rows.push_back(row_json(row, !nobody ? row.name : survey.by == "sender" ? "<>" : "(not known yet)"));
    }
    ages["rows"] = std::move(rows);
    ages["names"] = survey.table.size();
    ages["total"] = row_json(survey.table.total(), "TOTAL");
    boost::json::array success;
    for (const queue::TallyRow& row : fullest(survey.success)) {
        boost::json::object one;
        one["group"] = printable(row.group);
        one["hour"] = counts_json(row.recent);
        one["day"] = counts_json(row.all);
        success.push_back(std::move(one));
    }
    boost::json::object body;
    body["ages"] = std::move(ages);
    body["success"] = std::move(success);
    return {200, boost::json::serialize(body), {}};
}

// Carries a part home; ends the survey where there is none.
template <class Page, class Next>
queue::Done<Page> part(SurveyPtr survey, Respond respond, Next next) {
    return [survey = std::move(survey), respond = std::move(respond), next](queue::StoreResult<Page> page) mutable {
        boost::asio::io_context& io = survey->core->io;
        boost::asio::post(io, [survey = std::move(survey), respond = std::move(respond), next, page = std::move(page)]() mutable {
            // Who was told that it takes too long (504) has the disk read no further.
            if (survey->core->stopped || std::chrono::steady_clock::now() >= survey->answer_by) return;
            if (!page) {
                respond(answer_for(page.error()));
                return;
            }
            next(std::move(survey), std::move(respond), *page);
        });
    };
}

void ask_tally(SurveyPtr survey, Respond respond);

void on_tally(SurveyPtr survey, Respond respond, const queue::TallyPage& page) {
    for (const queue::TallyRow& row : page.rows) survey->success[row.group].add(row);
    survey->tally.before = page.looked_to;
    if (page.complete || ++survey->parts > kMostParts) {
        respond(answer_of(*survey));
    } else {
        ask_tally(std::move(survey), std::move(respond));
    }
}

void ask_tally(SurveyPtr survey, Respond respond) {
    queue::QueueStore& store = survey->core->store;
    const queue::TallyQuery query = survey->tally;
    store.tally(query, part<queue::TallyPage>(std::move(survey), std::move(respond), on_tally));
}

void ask_ages(SurveyPtr survey, Respond respond);

void on_ages(SurveyPtr survey, Respond respond, const queue::AgePage& page) {
    for (const queue::AgeRow& row : page.rows) {
        if (survey->by != "provider") {
            survey->table.add(row);
            continue;
        }
        const auto group = survey->groups.find(row.name);
        survey->table.add(group == survey->groups.end() ? std::string() : group->second, row);
    }
    survey->ages.after = page.looked_to;
    if (page.complete || ++survey->parts > kMostParts) {
        survey->parts = 0;
        ask_tally(std::move(survey), std::move(respond));
    } else {
        ask_ages(std::move(survey), std::move(respond));
    }
}

void ask_ages(SurveyPtr survey, Respond respond) {
    queue::QueueStore& store = survey->core->store;
    const queue::AgeQuery query = survey->ages;
    store.ages(query, part<queue::AgePage>(std::move(survey), std::move(respond), on_ages));
}

}  // namespace

void get_survey(const CorePtr& core, const Request& request, Respond respond) {
    auto survey = std::make_shared<Survey>();
    survey->core = core;
    survey->by = "domain";
    survey->answer_by = request.answer_by;
    for (const auto& [name, value] : request.query) {
        const auto limit = name == "limit" ? text::parse_unsigned(value, kMostRows) : std::nullopt;
        if (name == "by" && (value == "domain" || value == "sender" || value == "provider")) {
            survey->by = value;
        } else if (limit && *limit > 0) {
            survey->limit = *limit;
        } else {
            respond(failure(400, "there are by (domain, sender or provider) and limit (1 to " + std::to_string(kMostRows) + ")"));
            return;
        }
    }
    const TimePoint now = core->daemon.now();
    survey->ages.now = now;
    survey->ages.by_sender = survey->by == "sender";
    if (survey->by == "provider" && core->daemon.groups) survey->groups = core->daemon.groups();
    survey->tally.recent = now - std::chrono::hours(1);
    survey->tally.since = now - std::chrono::hours(24);
    ask_ages(std::move(survey), std::move(respond));
}

}  // namespace posthorn::admin
