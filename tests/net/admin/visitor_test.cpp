// What the users of this machine may ask of the daemon: their own mail (SM-6), and nothing else (default deny).
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <optional>
#include <set>

#include "admin/endpoint.hpp"
#include "auth/suspension.hpp"
#include "queue/memory_store.hpp"

namespace posthorn::admin {
namespace {

namespace json = boost::json;

constexpr TimePoint kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21);

// Endpoints without a socket: only who asks is told to them.
class Visitors : public testing::Test {
protected:
    Visitors() {
        core_->daemon.now = [] { return kNow; };
        core_->daemon.suspensions = &suspensions_;
        core_->daemon.flush = [this](FlushOrder order) -> Result<void> {
            orders_.push_back(std::move(order));
            return {};
        };
        core_->daemon.reload = [this]() -> Result<void> {
            ++reloads_;
            return {};
        };
    }

    QueueId add(std::int64_t number, const std::string& source, const std::string& origin = "") {
        auto message = std::make_shared<mail::Message>();
        message->id = QueueId(number);
        message->accepted_at = kNow - std::chrono::hours(1);
        message->expires_at = kNow + std::chrono::hours(100);
        message->reverse_path = "a@example.com";
        message->source = source;
        message->origin = origin;
        message->header = "From: a@example.com\r\n";
        message->body.bytes = std::make_shared<std::string>("hello\r\n");
        message->body.facts.size = 7;
        queue::NewRecipient recipient;
        recipient.recipient.address = "b@example.org";
        recipient.domain = "example.org";
        recipient.due_at = kNow + std::chrono::hours(1);
        store_.add({message, {recipient}}, SteadyTime::max(), [](queue::StoreResult<queue::Added> added) { EXPECT_TRUE(added); });
        return message->id;
    }

    Answer ask(std::uint32_t uid, const std::string& method, const std::string& path,
               std::map<std::string, std::string> query = {}) {
        return ask(Visitor{uid, uid == 0 ? Rights::all : Rights::own}, method, path, std::move(query));
    }

    Answer ask(const Visitor& visitor, const std::string& method, const std::string& path, std::map<std::string, std::string> query = {}) {
        Request request;
        request.method = method;
        request.path = path;
        request.query = std::move(query);
        request.visitor = visitor;
        std::optional<Answer> answer = run([&](Respond respond) { route(core_, request, std::move(respond)); });
        std::string body = answer->body;
        while (answer->more && answer->status == 200) {
            auto more = std::move(answer->more);
            answer = run([&](Respond respond) { more(std::move(respond)); });
            body += answer->body;
        }
        answer->body = body;
        return *answer;
    }

    template <class Call>
    std::optional<Answer> run(Call call) {
        std::optional<Answer> answer;
        call([&](Answer given) { answer = std::move(given); });
        while (!answer) {
            io_.restart();
            if (io_.run() == 0 && !answer) {
                ADD_FAILURE() << "no answer";
                return Answer{599, "", {}};
            }
        }
        return answer;
    }

    std::vector<std::string> listed(const Answer& answer) {
        EXPECT_EQ(answer.status, 200U) << answer.body;
        std::vector<std::string> ids;
        const json::value body = json::parse(answer.body);
        for (const json::value& one : body.as_object().at("messages").as_array())
            ids.emplace_back(one.as_object().at("id").as_string());
        return ids;
    }

    boost::asio::io_context io_;
    queue::MemoryStore store_;
    auth::Suspensions suspensions_;
    CorePtr core_ = std::make_shared<Core>(Core{io_, store_, {}, false});
    std::vector<FlushOrder> orders_;
    int reloads_ = 0;
};

// Every endpoint there is, also those that are made tomorrow: what is not named here is for those who see or may everything.
TEST_F(Visitors, AreRefusedWhateverIsNotTheirs) {
    const QueueId own = add(1, "uid=33");
    const std::set<std::string> everybodys = {"GET /",           "GET /assets/{version}/{file}", "GET /v1/session",
                                              "POST /v1/session", "POST /v1/session/end",         "GET /v1/openapi.json"};
    const std::set<std::string> theirs = {"GET /v1/queue", "GET /mailq", "GET /v1/queue/" + own.to_string(), "POST /mailq/flush"};
    std::size_t refused = 0, answered = 0;
    for (const auto& [method, path] : endpoints()) {
        const std::string place = method + " " + path;
        const bool is_everybodys = everybodys.contains(place), is_theirs = theirs.contains(place);
        const unsigned status = ask(33, method, path).status;
        EXPECT_TRUE(!is_theirs || status == 200U) << place << " " << status;
        EXPECT_EQ(status == 403U, !is_theirs && !is_everybodys) << place << " " << status;
        ++(status == 403U ? refused : answered);
        // Who shows no token may nothing but log in; who may look only changes nothing.
        EXPECT_EQ(ask(Visitor{}, method, path).status == 401U, !is_everybodys) << place;
        const bool tries = path == "/v1/sandbox";   // what it tells it finds out by trying
        EXPECT_EQ(ask(Visitor{UINT32_MAX, Rights::read}, method, path).status == 403U, (method != "GET" && !is_everybodys) || tries) << place;
        const unsigned of_root = ask(0, method, path).status;
        EXPECT_TRUE(of_root != 403U && of_root != 401U) << place;
    }
    EXPECT_EQ(answered, 10U);
    EXPECT_GE(refused, 30U);
    EXPECT_EQ(reloads_, 1);  // root's
    // What is nowhere in the table, too, and other methods of what they may.
    for (const auto& [method, path] : {std::pair{"GET", "/x"}, {"POST", "/v1/queue"}, {"DELETE", "/mailq"}, {"GET", "/v1/queue/"},
                                       {"GET", "/v1/queue//retry"}, {"GET", "/mailq/"}, {"PUT", "/mailq/flush"}, {"GET", "//mailq"}}) {
        EXPECT_GE(ask(33, method, path).status, 403U) << method << " " << path;
    }
    EXPECT_NE(ask(33, "GET", "/v1/status").body.find("only root"), std::string::npos);
}

TEST_F(Visitors, SeeTheirOwnMailOnly) {
    const QueueId own = add(1, "uid=33"), login = add(2, "user=33"), other = add(3, "uid=330"), ip = add(4, "ip=127.0.0.1");
    EXPECT_EQ(listed(ask(33, "GET", "/v1/queue")), std::vector<std::string>{own.to_string()});
    EXPECT_TRUE(listed(ask(34, "GET", "/v1/queue")).empty());
    EXPECT_EQ(listed(ask(0, "GET", "/v1/queue")).size(), 4U);
    EXPECT_EQ(ask(33, "GET", "/v1/queue/" + own.to_string()).status, 200U);
    for (const QueueId id : {login, other, ip}) {
        const Answer hidden = ask(33, "GET", "/v1/queue/" + id.to_string());
        EXPECT_EQ(hidden.status, 404U);
        const Answer missing = ask(33, "GET", "/v1/queue/" + QueueId(99).to_string());
        std::string as_missing = missing.body;  // in the same words: whether it is there is not told
        as_missing.replace(as_missing.find(QueueId(99).to_string()), 13, id.to_string());
        EXPECT_EQ(hidden.body, as_missing);
    }
    const std::string text = ask(33, "GET", "/mailq").body;
    EXPECT_NE(text.find(own.to_string()), std::string::npos);
    EXPECT_TRUE(text.ends_with("-- 1 Kbytes in 1 Request.\n")) << text;
    EXPECT_EQ(ask(34, "GET", "/mailq").body, "Mail queue is empty\n");
}

// No parameter widens what they see.
TEST_F(Visitors, CannotAskForOthers) {
    add(1, "uid=33");
    add(2, "user=www-data");
    EXPECT_EQ(ask(33, "GET", "/v1/queue", {{"uid", "0"}}).status, 400U);
    EXPECT_EQ(ask(33, "GET", "/v1/queue", {{"user", "www-data"}}).status, 400U);
    EXPECT_EQ(listed(ask(33, "GET", "/v1/queue", {{"uid", "33"}})).size(), 1U);
    EXPECT_EQ(ask(33, "GET", "/mailq", {{"uid", "0"}}).status, 400U);
    EXPECT_EQ(listed(ask(0, "GET", "/v1/queue", {{"user", "www-data"}, {"uid", "33"}})).size(), 2U);
    EXPECT_EQ(listed(ask(0, "GET", "/v1/queue", {{"uid", "33"}})).size(), 1U);
    EXPECT_EQ(ask(0, "GET", "/v1/queue", {{"uid", "x"}}).status, 400U);
}

TEST_F(Visitors, FlushTheirOwn) {
    const QueueId own = add(1, "uid=33"), other = add(2, "uid=34");
    EXPECT_EQ(ask(33, "POST", "/mailq/flush").status, 200U);
    EXPECT_EQ(ask(0, "POST", "/mailq/flush", {{"site", "Example.ORG"}}).status, 200U);
    ASSERT_EQ(orders_.size(), 2U);
    EXPECT_EQ(orders_[0].source, "uid=33");
    EXPECT_EQ(orders_[1].source, "");
    EXPECT_EQ(orders_[1].domain, "example.org");
    EXPECT_EQ(ask(33, "POST", "/mailq/flush", {{"id", own.to_string()}}).status, 200U);
    EXPECT_EQ(ask(33, "POST", "/mailq/flush", {{"id", other.to_string()}}).status, 404U);
    // Once a minute each: whose server is tried has no part in this. Operators know what they do.
    EXPECT_EQ(ask(33, "POST", "/mailq/flush", {{"id", own.to_string()}}).status, 429U);
    EXPECT_EQ(ask(0, "POST", "/mailq/flush", {{"id", own.to_string()}}).status, 200U);
    core_->daemon.now = [] { return kNow + std::chrono::minutes(1); };
    EXPECT_EQ(ask(33, "POST", "/mailq/flush", {{"id", own.to_string()}}).status, 200U);
}

TEST_F(Visitors, AreNotToldTheOperatorsWords) {
    const QueueId own = add(1, "uid=33", "uid=33 user=www-data cmd=php");
    suspensions_.add("www-data", {kNow, "spams, ask Bob", 33});
    EXPECT_EQ(ask(33, "GET", "/v1/queue/" + own.to_string()).body.find("Bob"), std::string::npos);
    EXPECT_EQ(ask(33, "GET", "/v1/queue").body.find("Bob"), std::string::npos);
    EXPECT_NE(ask(33, "GET", "/v1/queue").body.find("\"suspension\""), std::string::npos);
    EXPECT_NE(ask(0, "GET", "/v1/queue/" + own.to_string()).body.find("Bob"), std::string::npos);
    EXPECT_NE(ask(0, "GET", "/v1/queue").body.find("uid=33 user=www-data cmd=php"), std::string::npos);
}

}  // namespace
}  // namespace posthorn::admin
