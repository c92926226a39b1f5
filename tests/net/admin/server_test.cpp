// The admin interface over its socket: each endpoint against the memory store, the bounds, and the end.
#include "admin/server.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <cstring>
#include <filesystem>
#include <future>
#include <thread>

#include "admin/client.hpp"
#include "admin/queue_json.hpp"
#include "queue/memory_store.hpp"

namespace posthorn::admin {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21);

class TempDirectory {
public:
    TempDirectory() { EXPECT_NE(mkdtemp(path_), nullptr); }
    ~TempDirectory() { std::filesystem::remove_all(path_); }
    [[nodiscard]] std::string operator/(const std::string& name) const {
        return std::string(path_) + "/" + name;
    }

private:
    char path_[32] = "/tmp/posthorn-admin-XXXXXX";
};

// What comes back for these octets until the server closes (or is silent for 20 s, which fails what is expected of it).
std::string talk_to(const std::string& path, const std::string& octets, std::promise<void>* sent = nullptr) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    timeval limit{20, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_EQ(::send(fd, octets.data(), octets.size(), MSG_NOSIGNAL), static_cast<ssize_t>(octets.size()));
    if (sent != nullptr) {
        sent->set_value();
    }
    std::string all;
    char block[4096];
    for (ssize_t n = 0; (n = ::recv(fd, block, sizeof block, 0)) > 0;) {
        all.append(block, static_cast<std::size_t>(n));
    }
    ::close(fd);
    return all;
}

// A server on a thread of its own, as the home shard is.
class AdminTest : public testing::Test {
protected:
    ~AdminTest() override { stop(); }

    void start(ServerBounds bounds = {}) {
        Daemon daemon;
        daemon.now = [] { return kNow; };
        daemon.on_revised = [this](const std::vector<queue::DestinationDue>& due) {
            revised_on_ = std::this_thread::get_id();
            for (const queue::DestinationDue& one : due) {
                revised_.push_back(one.domain);
            }
        };
        daemon.metrics = [] { return std::vector<Metric>{{"sessions", MetricKind::gauge, "Now.", 3.0}}; };
        daemon.status = [] { return std::string(R"({"sessions":3})"); };
        daemon.reload = [this]() -> Result<void> {
            if (!reload_error_.empty()) {
                return Error{reload_error_};
            }
            return {};
        };
        AdminOptions options;
        options.socket = socket_;
        server_.emplace(io_, options, store_, std::move(daemon), bounds);
        const auto started = server_->start();
        ASSERT_TRUE(started) << started.error().what;
        thread_ = std::thread([this] {
            auto work = boost::asio::make_work_guard(io_);
            io_.run();
        });
    }

    void stop() {
        if (!thread_.joinable()) {
            return;
        }
        boost::asio::post(io_, [this] {
            server_->stop();
            io_.stop();
        });
        thread_.join();
    }

    QueueId add(std::int64_t number, const std::string& from, const std::vector<std::string>& recipients) {
        auto message = std::make_shared<mail::Message>();
        message->id = QueueId(number);
        message->accepted_at = kNow - seconds(3600);
        message->expires_at = kNow + std::chrono::hours(100);
        message->reverse_path = from;
        message->source = "user=alice";
        message->header = "From: a@example.com\r\n";
        message->body.bytes = std::make_shared<std::string>("hello\r\n");
        message->body.facts.size = 7;
        queue::NewMessage added;
        added.message = message;
        for (const std::string& address : recipients) {
            queue::NewRecipient recipient;
            recipient.recipient.address = address;
            recipient.domain = address.substr(address.find('@') + 1);
            recipient.due_at = kNow + seconds(600);
            added.recipients.push_back(std::move(recipient));
        }
        bool stored = false;
        store_.add(std::move(added), SteadyTime::max(),
                   [&](queue::StoreResult<queue::Added> result) { stored = result.has_value(); });
        EXPECT_TRUE(stored);
        return message->id;
    }

    json::object ask(const std::string& method, const std::string& target, unsigned status = 200) {
        const auto answer = request(socket_, method, target, seconds(20));
        if (!answer) {
            ADD_FAILURE() << answer.error().what;
            return {};
        }
        EXPECT_EQ(answer->status, status) << answer->body;
        return json::parse(answer->body).as_object();
    }

    std::string talk(const std::string& octets, std::promise<void>* sent = nullptr) const { return talk_to(socket_, octets, sent); }

    TempDirectory directory_;
    std::string socket_ = directory_ / "admin.sock";
    queue::MemoryStore store_;
    boost::asio::io_context io_;
    std::optional<AdminServer> server_;
    std::thread thread_;
    std::vector<std::string> revised_;
    std::thread::id revised_on_;
    std::string reload_error_;
};

TEST_F(AdminTest, SocketHasItsModeAndIsRemovedAtTheEnd) {
    start();
    struct stat found {};
    ASSERT_EQ(::stat(socket_.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0666U);  // SO_PEERCRED says who may what
    stop();
    EXPECT_NE(::stat(socket_.c_str(), &found), 0);
}

TEST_F(AdminTest, DirectoryOfTheSocketIsMade) {  // /run is empty after a boot
    AdminOptions options;
    options.socket = directory_ / "posthorn/admin.sock";
    AdminServer server(io_, options, store_, {});
    const auto started = server.start();
    ASSERT_TRUE(started) << started.error().what;
    EXPECT_TRUE(std::filesystem::is_socket(options.socket));
}

TEST_F(AdminTest, SecondServerOnTheSocketIsRefused) {
    start();
    AdminOptions options;
    options.socket = socket_;
    boost::asio::io_context other;
    AdminServer second(other, options, store_, {});
    EXPECT_FALSE(second.start());
    ask("GET", "/v1/health");  // the first one is not harmed
}

TEST_F(AdminTest, HealthTellsTheReason) {
    start();
    EXPECT_TRUE(ask("GET", "/v1/health").at("healthy").as_bool());
    store_.fail_with(queue::StoreError{queue::StoreFault::disk_full, "no space left on /var"});
    EXPECT_EQ(ask("GET", "/v1/health", 503).at("error").as_string(), "no space left on /var");
}

TEST_F(AdminTest, StatusHasBothFigures) {
    start();
    add(1, "a@example.com", {"b@example.org"});
    const auto metrics = request(socket_, "GET", "/metrics");
    ASSERT_TRUE(metrics);
    EXPECT_EQ(metrics->status, 200U);
    EXPECT_NE(("\n" + metrics->body).find("\n# HELP sessions Now.\n# TYPE sessions gauge\nsessions 3\n"), std::string::npos) << metrics->body;
    const json::object status = ask("GET", "/v1/status");
    EXPECT_EQ(status.at("store").as_object().at("messages").to_number<int>(), 1);
    EXPECT_EQ(status.at("daemon").as_object().at("sessions").to_number<int>(), 3);
}

TEST_F(AdminTest, QueueIsListedPageByPage) {
    for (int i = 1; i <= 5; ++i) {
        add(i, i % 2 == 0 ? "even@example.com" : "odd@example.com", {"b@example.org"});
    }
    start();
    const json::object first = ask("GET", "/v1/queue?limit=3");
    ASSERT_EQ(first.at("messages").as_array().size(), 3U);
    const json::object& message = first.at("messages").as_array()[0].as_object();
    EXPECT_EQ(message.at("id").as_string(), QueueId(1).to_string());
    EXPECT_EQ(message.at("from").as_string(), "odd@example.com");
    EXPECT_EQ(message.at("recipients").as_array()[0].as_object().at("address").as_string(), "b@example.org");
    const std::string next(first.at("next").as_string());
    const json::object second = ask("GET", "/v1/queue?limit=3&after=" + next);
    ASSERT_EQ(second.at("messages").as_array().size(), 2U);
    EXPECT_TRUE(second.at("next").is_null());
    EXPECT_EQ(ask("GET", "/v1/queue?from=even%40example.com").at("messages").as_array().size(), 2U);
    EXPECT_EQ(ask("GET", "/v1/queue?domain=EXAMPLE.net").at("messages").as_array().size(), 0U);
    ask("GET", "/v1/queue?limit=0", 400);
    ask("GET", "/v1/queue?limit=1000000", 400);
    ask("GET", "/v1/queue?after=x", 400);
    ask("GET", "/v1/queue?nonsense=1", 400);
}

TEST_F(AdminTest, MessageIsShownWhole) {
    const QueueId id = add(7, "a@example.com", {"b@example.org", "c@example.net"});
    start();
    const json::object message = ask("GET", "/v1/queue/" + id.to_string());
    EXPECT_EQ(message.at("source").as_string(), "user=alice");
    EXPECT_EQ(message.at("accepted_at").as_string(), "2026-11-20T23:00:00.000Z");
    ASSERT_EQ(message.at("recipients").as_array().size(), 2U);
    const json::object& recipient = message.at("recipients").as_array()[0].as_object();
    EXPECT_EQ(recipient.at("state").as_string(), "waiting");
    EXPECT_TRUE(recipient.at("last_attempt").is_null());
    EXPECT_EQ(recipient.at("due_at").as_string(), "2026-11-21T00:10:00.000Z");
    ask("GET", "/v1/queue/" + QueueId(8).to_string(), 404);
    ask("GET", "/v1/queue/nonsense", 404);
}

TEST_F(AdminTest, RevisionsReachTheStoreAndTheDaemon) {
    const QueueId id = add(7, "a@example.com", {"b@example.org"});
    start();
    const std::string path = "/v1/queue/" + id.to_string();
    const auto state = [&] {
        return std::string(
            ask("GET", path).at("recipients").as_array()[0].as_object().at("state").as_string());
    };
    EXPECT_EQ(ask("POST", path + "/hold").at("recipients").to_number<int>(), 1);
    EXPECT_EQ(state(), "held");
    EXPECT_EQ(ask("POST", path + "/release").at("recipients").to_number<int>(), 1);
    EXPECT_EQ(state(), "waiting");
    EXPECT_EQ(ask("POST", path + "/retry").at("recipients").to_number<int>(), 1);
    EXPECT_EQ(ask("DELETE", path).at("recipients").to_number<int>(), 1);
    ask("GET", path, 404);
    const std::thread::id home = thread_.get_id();
    stop();
    EXPECT_EQ(revised_, (std::vector<std::string>{"example.org", "example.org"}));  // release and retry
    EXPECT_EQ(revised_on_, home);
}

TEST_F(AdminTest, StoreErrorsAreToldWithTheirReason) {
    const QueueId id = add(7, "a@example.com", {"b@example.org"});
    start();
    store_.fail_with(queue::StoreError{queue::StoreFault::io_error, "the disk is broken"});
    EXPECT_EQ(ask("POST", "/v1/queue/" + id.to_string() + "/retry", 500).at("error").as_string(),
              "the disk is broken");
}

TEST_F(AdminTest, ReloadTellsWhyTheOldConfigurationWasKept) {
    start();
    EXPECT_TRUE(ask("POST", "/v1/reload").at("reloaded").as_bool());
    reload_error_ = "posthorn.toml:3:1: unknown key hostnaem";
    EXPECT_EQ(ask("POST", "/v1/reload", 422).at("error").as_string(), reload_error_);
}

TEST_F(AdminTest, UnknownPathsAndMethodsAreRefused) {
    start();
    ask("GET", "/nothing", 404);
    ask("GET", "/v1/queue/" + QueueId(1).to_string() + "/explode", 404);
    ask("DELETE", "/v1/queue", 405);
    ask("GET", "/v1/reload", 405);
    EXPECT_NE(talk("PUT /v1/status HTTP/1.0\r\n\r\n").find("\r\nAllow: GET\r\n"), std::string::npos);
}

// A long listing comes in chunks, whole or recognisably cut off.
TEST_F(AdminTest, MailqComesInPieces) {
    for (int i = 1; i <= 250; ++i) add(i, "a@example.com", {"b@example.org"});
    start();
    std::string text;
    const auto answer = request_long(socket_, "GET", "/mailq", [&](std::string_view piece) { text += piece; });
    ASSERT_TRUE(answer) << answer.error().what;
    EXPECT_EQ(answer->status, 200U);
    EXPECT_TRUE(text.starts_with("-Queue ID-"));
    EXPECT_TRUE(text.ends_with("\n\n-- 8 Kbytes in 250 Requests.\n")) << text.substr(text.size() - 100);
    EXPECT_NE(text.find("\n" + QueueId(250).to_string()), std::string::npos);
    // The connection is good for the next request (RFC 9112 s7.1).
    const std::string twice = talk("GET /mailq HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/health HTTP/1.0\r\n\r\n");
    // Three pages and the totals: a chunk each, with its length before it and CRLF after both; the lines themselves end in LF.
    const std::size_t body = twice.find("\r\n\r\n") + 4, end = twice.find("HTTP/1.1 200 OK", body);
    ASSERT_NE(end, std::string::npos);
    EXPECT_EQ(std::count(twice.begin() + static_cast<std::ptrdiff_t>(body), twice.begin() + static_cast<std::ptrdiff_t>(end), '\r'), 4 * 2 + 2);
    EXPECT_NE(twice.find("250 Requests.\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"), std::string::npos);
}

// For programs that know no chunks: the end of the connection is the end of the text.
TEST_F(AdminTest, MailqForHttp10HasNoChunks) {
    start();
    const std::string empty = talk("GET /mailq HTTP/1.0\r\n\r\n");
    EXPECT_EQ(empty.substr(empty.find("\r\n\r\n")), "\r\n\r\nMail queue is empty\n");
    EXPECT_EQ(empty.find("Content-Length"), std::string::npos);
    EXPECT_EQ(empty.find("Transfer-Encoding"), std::string::npos);
    EXPECT_NE(empty.find("Content-Type: text/plain"), std::string::npos);
}

TEST_F(AdminTest, FlushMakesOneMessageDue) {
    const QueueId id = add(7, "a@example.com", {"b@example.org"});
    start();
    const auto flush = [&](const std::string& query) { return request(socket_, "POST", "/mailq/flush" + query, seconds(20)); };
    EXPECT_EQ(flush("?id=" + id.to_string())->status, 200U);
    EXPECT_EQ(ask("GET", "/v1/queue/" + id.to_string()).at("recipients").as_array()[0].as_object().at("due_at").as_string(),
              "2026-11-21T00:00:00.000Z");
    EXPECT_EQ(flush("?id=" + QueueId(8).to_string())->status, 404U);
    EXPECT_EQ(flush("?id=x")->body, "\"x\" is no queue id; mailq shows them\n");
    EXPECT_EQ(flush("?site=&id=x")->status, 400U);
    EXPECT_EQ(flush("?sites=x")->status, 400U);
    EXPECT_EQ(flush("?site=")->status, 400U);
    EXPECT_EQ(flush("")->status, 501U);  // a daemon that lends none
    stop();
    EXPECT_EQ(revised_, (std::vector<std::string>{"example.org"}));
}

TEST_F(AdminTest, ConnectionIsKeptForMoreRequestsAlsoWhenTheyComeAtOnce) {
    start();
    const std::string one = "GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n";
    const std::string last = "GET /v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const std::string all = talk(one + one + last);
    std::size_t answers = 0;
    for (std::size_t at = 0; (at = all.find("HTTP/1.1 200 OK\r\n", at)) != std::string::npos; ++at) {
        ++answers;
    }
    EXPECT_EQ(answers, 3U);
}

TEST(Wire, EachAnswerHasItsDate) {   // RFC 9110 s6.6.1, s5.6.7: the dashboard reckons by it
    const std::string wire = to_wire(failure(404, "no"), kNow + std::chrono::hours(8) + seconds(9), true);
    EXPECT_NE(wire.find("\r\nDate: Sat, 21 Nov 2026 08:00:09 GMT\r\n"), std::string::npos) << wire;
}

TEST_F(AdminTest, WhatIsTooLargeOrNoHttpIsRefused) {
    start();
    EXPECT_EQ(talk("GET / HTTP/1.1\r\nX: " + std::string(20000, 'x') + "\r\n\r\n").substr(0, 12),
              "HTTP/1.1 431");
    EXPECT_EQ(talk("POST /v1/reload HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n").substr(0, 12),
              "HTTP/1.1 413");
    EXPECT_EQ(talk("EHLO mail.example.com\r\n\r\n").substr(0, 12), "HTTP/1.1 400");
    // What stands around chunks is bounded as a header is (RFC 9112 s7.1.1, s7.1.2): an extension, a trailer.
    const std::string chunked = "POST /v1/reload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(talk(chunked + "1;" + std::string(20000, 'x')).substr(0, 12), "HTTP/1.1 431");
    EXPECT_EQ(talk(chunked + "0\r\nX: " + std::string(20000, 'x')).substr(0, 12), "HTTP/1.1 431");
    // A coding that is not known leaves open where the request ends (RFC 9112 s6.3): nothing after it is a request.
    const std::string other = talk("POST /v1/session HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\nGET /v1/health HTTP/1.1\r\n\r\n");
    EXPECT_EQ(other.substr(0, 12), "HTTP/1.1 400");
    EXPECT_EQ(other.find("HTTP/1.1", 12), std::string::npos) << other;
    ask("GET", "/v1/health");
}

TEST_F(AdminTest, SilentClientIsClosedAfterItsTime) {
    ServerBounds bounds;
    bounds.read = milliseconds(50);
    start(bounds);
    EXPECT_EQ(talk("GET /v1/hea"),
              "");  // returns because the server closed, long before the client's own limit
}

// Connections beyond the bound wait in the backlog and are served when another one ends.
TEST_F(AdminTest, ConnectionsAreBounded) {
    ServerBounds bounds;
    bounds.connections = 1;
    bounds.read = milliseconds(200);
    start(bounds);
    std::promise<void> sent;
    std::thread silent([&] { EXPECT_EQ(talk("GET ", &sent), ""); });
    sent.get_future().wait();
    for (int i = 0; i < 3; ++i) {
        ask("GET", "/v1/health");
    }
    silent.join();
}

TEST_F(AdminTest, StopEndsOpenConnections) {
    start();
    std::promise<void> sent;
    std::thread silent([&] { EXPECT_EQ(talk("GET ", &sent), ""); });
    sent.get_future().wait();
    ask("GET", "/v1/health");
    boost::asio::post(io_, [this] { server_->stop(); });
    silent.join();
    EXPECT_FALSE(request(socket_, "GET", "/v1/health", seconds(5)));
}

// An answer of the store that comes after its time, or never: 504, and the connection's memory is not the
// store's.
TEST(AdminServerAlone, StoreThatDoesNotAnswerIsGivenUp) {
    const TempDirectory directory;
    std::vector<UniqueFunction<void()>> parked;
    queue::MemoryStore store({}, [&](UniqueFunction<void()> work) { parked.push_back(std::move(work)); });
    boost::asio::io_context io;
    AdminOptions options;
    options.socket = directory / "admin.sock";
    ServerBounds bounds;
    bounds.answer = milliseconds(50);
    AdminServer server(io, options, store, {}, bounds);
    ASSERT_TRUE(server.start());
    std::thread runner([&] { io.run(); });
    const auto answer = request(options.socket, "GET", "/v1/queue", seconds(20));
    ASSERT_TRUE(answer) << answer.error().what;
    EXPECT_EQ(answer->status, 504U);
    boost::asio::post(io, [&] {
        for (auto& work : parked) {
            work();  // now it comes, for nobody
        }
        server.stop();
    });
    runner.join();
}

// On a connection that goes on: the late answer to one request is not given to the next, nor waited for.
TEST(AdminServerAlone, LateAnswerIsNotTheNextOnes) {
    const TempDirectory directory;
    boost::asio::io_context io;
    std::vector<UniqueFunction<void()>> parked;
    queue::MemoryStore store({}, [&](UniqueFunction<void()> work) {
        parked.push_back(std::move(work));
        if (parked.size() == 2) {
            boost::asio::post(io, [&] { parked.front()(); });
        }
    });
    AdminOptions options;
    options.socket = directory / "admin.sock";
    ServerBounds bounds;
    bounds.answer = milliseconds(100);
    AdminServer server(io, options, store, {}, bounds);
    ASSERT_TRUE(server.start());
    std::thread runner([&] { io.run(); });
    const SteadyTime began = std::chrono::steady_clock::now();
    const std::string all = talk_to(options.socket, "GET /v1/queue HTTP/1.1\r\nHost: p\r\n\r\n"
                                                    "GET /v1/queue HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(all.find("HTTP/1.1 200"), std::string::npos) << all;
    EXPECT_NE(all.rfind("HTTP/1.1 504"), all.find("HTTP/1.1 504")) << all;
    // What is parked does not keep the connection open.
    EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(15));
    boost::asio::post(io, [&] {
        parked.clear();
        server.stop();
    });
    runner.join();
}

// The answer is made on the home shard: a list's recipients have more mail hosts than anybody reads.
TEST_F(AdminTest, ASurveyAddsUpThoseWithTheLeastMail) {
    queue::Settlement settlement;
    for (int i = 0; i < 1300; ++i) {
        queue::JournalEntry entry;
        entry.at = kNow - seconds(600);
        entry.event = i % 2 == 0 ? "delivered" : "deferred";
        entry.group = i < 100 ? "google" : "mx" + std::to_string(i) + ".host.example";
        settlement.journal.push_back(std::move(entry));
    }
    store_.settle(std::move(settlement), [](queue::StoreResult<queue::Settled> result) { EXPECT_TRUE(result); });
    start();
    const json::array success = ask("GET", "/v1/survey").at("success").as_array();
    ASSERT_EQ(success.size(), 1001U);
    std::uint64_t tried = 0, google = 0;
    for (const json::value& one : success) {
        const json::object& day = one.at("day").as_object();
        const auto both = day.at("delivered").to_number<std::uint64_t>() + day.at("deferred").to_number<std::uint64_t>();
        tried += both;
        if (one.at("group").as_string() == "google") google = both;
    }
    EXPECT_EQ(tried, 1300U);
    EXPECT_EQ(google, 100U);
    EXPECT_EQ(success.back().at("group").as_string(), "(others)");
    EXPECT_EQ(success.back().at("hour").at("delivered").to_number<int>() + success.back().at("hour").at("deferred").to_number<int>(), 201);
}

// Of a survey the first part comes too late: the second is not read at all.
TEST(AdminServerAlone, ASurveyThatNobodyWaitsForEnds) {
    const TempDirectory directory;
    std::vector<UniqueFunction<void()>> parked;
    queue::MemoryStore store({}, [&](UniqueFunction<void()> work) { parked.push_back(std::move(work)); });
    boost::asio::io_context io;
    AdminOptions options;
    options.socket = directory / "admin.sock";
    ServerBounds bounds;
    bounds.answer = milliseconds(50);
    AdminServer server(io, options, store, {}, bounds);
    ASSERT_TRUE(server.start());
    std::thread runner([&] { io.run(); });
    const auto answer = request(options.socket, "GET", "/v1/survey", seconds(20));
    ASSERT_TRUE(answer) << answer.error().what;
    EXPECT_EQ(answer->status, 504U);
    boost::asio::post(io, [&] {
        ASSERT_EQ(parked.size(), 1U);
        UniqueFunction<void()> first = std::move(parked.front());
        first();   // its answer is posted home, behind which this is
        boost::asio::post(io, [&] { server.stop(); });
    });
    runner.join();
    EXPECT_EQ(parked.size(), 1U);
}

TEST(Client, SaysWhatToDoWhenNobodyAnswers) {
    const auto answer = request("/nonexistent/admin.sock", "GET", "/v1/health");
    ASSERT_FALSE(answer);
    EXPECT_NE(answer.error().what.find("systemctl start posthorn"), std::string::npos);
    EXPECT_FALSE(request("", "GET", "/v1/health"));
    EXPECT_FALSE(request(std::string(200, 'x'), "GET", "/v1/health"));
}

TEST(Times, ReadBackAsTheyAreWritten) {
    for (const auto ms : {0LL, 1LL, 951827696789LL, 1795294800123LL}) {
        const TimePoint when{Duration(ms)};
        EXPECT_EQ(parse_time(format_time(when)), when);
    }
    EXPECT_EQ(format_time(TimePoint(Duration(951827696789LL))), "2000-02-29T12:34:56.789Z");
    for (const char* wrong : {"", "2026-11-21", "2026-13-21T20:52:01.000Z", "2026-02-30T20:52:01.000Z",
                              "2026-11-21T24:52:01.000Z", "2026-11-21T20:52:01.000+"}) {
        EXPECT_FALSE(parse_time(wrong).has_value()) << wrong;
    }
}

TEST(UrlEncode, LeavesOnlyUnreservedCharacters) {
    EXPECT_EQ(url_encode("a+b@c.de &%"), "a%2Bb%40c.de%20%26%25");
}

}  // namespace
}  // namespace posthorn::admin
