// The connection to Dovecot's auth service that all sessions share: kept open, opened anew when it breaks, asked side by side.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "auth/dovecot_protocol.hpp"
#include "base/clock.hpp"
#include "net/asio.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"

namespace posthorn::smtp::server {

// One connection, shared by the exchanges that began on it: Dovecot knows their numbers on no other.
struct DovecotConnection;

// On one shard. Whoever owns it calls start() once and close() at the end; the coroutines hold it as long as they run.
class DovecotLink : public std::enable_shared_from_this<DovecotLink> {
public:
    static constexpr Duration kConnectLimit = std::chrono::seconds(5);   // connect and handshake together
    // Dovecot answers a wrong password after 2 seconds, to an address with many of them after 15 more.
    static constexpr Duration kStepLimit = std::chrono::seconds(30);
    static constexpr Duration kFirstPause = std::chrono::milliseconds(100);
    static constexpr Duration kLongestPause = std::chrono::seconds(10);
    static constexpr Duration kLeastPause = std::chrono::milliseconds(500);   // between two attempts that clients ask for

    DovecotLink(net::asio::any_io_executor executor, std::string socket);

    void start(net::TaskGroup& tasks);
    // All that is under way ends as if Dovecot had gone.
    void close();

    // What Dovecot announced last. Before it ever did: PLAIN, so that clients try and hear 454, and do not take the server for
    // one without AUTH.
    [[nodiscard]] const std::vector<std::string>& mechanisms() const { return mechanisms_; }

    // The connection as it is; where there is none, the result of an attempt to open one, null when that failed just now. Does
    // not wait longer than kConnectLimit.
    net::awaitable<std::shared_ptr<DovecotConnection>> connection();

    // Sends one line about request `id` and gives the reply to it. unavailable when the connection broke, or after kStepLimit.
    // One question for each id at a time.
    static net::awaitable<auth::DovecotReply> ask(std::shared_ptr<DovecotConnection> connection, std::uint32_t id,
                                                  std::string line);
    // Tells Dovecot that nobody waits any more. No wait, no reply.
    static void cancel(const std::shared_ptr<DovecotConnection>& connection, std::uint32_t id);
    // A number that no request on this connection has.
    static std::uint32_t new_id(DovecotConnection& connection);

private:
    static net::awaitable<void> run(std::shared_ptr<DovecotLink> self, net::TaskGroup& tasks);
    net::awaitable<void> converse();                       // one attempt, and the connection's life if it succeeds
    void attempt_ended(bool succeeded);
    void lost(const std::string& why);

    net::asio::any_io_executor executor_;
    std::string socket_;
    std::vector<std::string> mechanisms_{"PLAIN"};
    std::shared_ptr<DovecotConnection> connection_;        // null: none
    bool ready_ = false;                                   // its handshake is complete
    std::shared_ptr<net::Event> attempt_;                  // set when the attempt under way, or the next, has ended
    net::Signal wake_;                                     // ends a pause between attempts
    SteadyTime last_attempt_end_{};
    std::string last_trouble_;                             // logged already
    bool attempting_ = true;                               // also before the first
    bool closed_ = false;
};

}  // namespace posthorn::smtp::server
