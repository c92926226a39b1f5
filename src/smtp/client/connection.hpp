// One open connection to a receiving server: carries out what the client session decides, transaction by transaction.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/endpoint.hpp"
#include "mail/message.hpp"
#include "net/deadline.hpp"
#include "net/stream.hpp"
#include "net/task_group.hpp"
#include "net/tls_context.hpp"
#include "smtp/client/options.hpp"
#include "smtp/protocol/client_session.hpp"

namespace posthorn::smtp::client {

// From the mechanisms that a server offers (upper case) and the TLS they are offered under, the exchange with one of them;
// null: none of them will do.
using ChooseLogin =
    std::function<std::unique_ptr<auth::SaslClient>(const std::vector<std::string>& offered, const net::TlsFacts& tls)>;

// One address of one host.
struct Target {
    IpAddress address;
    std::uint16_t port = 25;
    std::string host;                       // the MX's name, for SNI and logs; the address where there is no name

    Target(IpAddress where, std::uint16_t number, std::string name) : address(where), port(number), host(std::move(name)) {}
    [[nodiscard]] std::string to_string() const { return host + "[" + address.to_string() + "]"; }
};

struct ConnectionOptions {
    std::string hostname;                   // what we call ourselves in EHLO
    protocol::TlsUse tls = protocol::TlsUse::opportunistic;
    bool verify = false;                    // the peer's certificate must be valid for target.host
    bool host_is_certain = false;           // target.host was not found by plain DNS, which anybody may have answered
    std::optional<IpAddress> source;
    bool chunking = false;                  // BDAT in place of DATA where it is offered (RFC 3030)
    ChooseLogin login;                      // set: no mail without AUTH, and a failure of it is of Stage::auth
    bool login_in_clear = false;            // AUTH also where the connection is not under TLS
    ClientTimeouts timeouts;
    net::TaskGroup* stop_with = nullptr;    // its request_stop() ends the opening, before which no mail is at stake
};

// What is sent after 354: prefix, message.header, an empty line, the body. Kept alive by the connection while it is sent.
struct Content {
    std::string prefix;
    mail::MessagePtr message;
    std::string body_path;                  // where the body is when it is not in memory
    // Called right before the octets that end the message (the dot, BDAT LAST) are written: from then on nobody but the peer
    // knows whether it has the message, until the answer is here. May be empty; must not throw.
    std::function<void()> before_end;

    Content() = default;
    Content(std::string above, mail::MessagePtr what, std::string path)
        : prefix(std::move(above)), message(std::move(what)), body_path(std::move(path)) {}
    [[nodiscard]] std::uint64_t size() const { return prefix.size() + message->size(); }
};

class Connection;

// Either a connection whose session is ready, or why there is none.
struct Opened {
    std::unique_ptr<Connection> connection;
    protocol::SessionFailure failure;       // when there is no connection; stage connect: the host did not answer at all
    bool untrusted = false;                 // its certificate was to be verified, and was refused
    bool tls_failed = false;                // STARTTLS or the handshake broke: in the clear it might work (RFC 3207, TLS-2)

    Opened() = default;
    [[nodiscard]] bool ok() const { return connection != nullptr; }
};

// Owned by one coroutine at a time (or by the pool, idle); on one shard. Every wait has a deadline by its stage.
class Connection {
public:
    // tls and files outlive the connection; files reads bodies that are not in memory.
    static net::awaitable<Opened> open(Target target, ConnectionOptions options, net::ClientTls& tls,
                                       net::asio::thread_pool& files);

    Connection(net::Stream stream, Target target, ConnectionOptions options, net::ClientTls& tls,
               net::asio::thread_pool& files);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // One transaction; what became of it is in session().results(). REQUIRES: usable().
    net::awaitable<void> send(protocol::Transaction transaction, Content content);
    // Says QUIT and waits shortly for the answer (RFC 5321 s4.1.1.10). REQUIRES: usable() or closed already.
    net::awaitable<void> quit();
    // From another coroutine of the shard (shutdown): what is waited for ends as lost.
    void abort() noexcept { stream_.close(); }

    [[nodiscard]] bool usable() const { return usable_; }
    [[nodiscard]] const protocol::ClientSession& session() const { return session_; }
    [[nodiscard]] const Target& target() const { return target_; }
    [[nodiscard]] const net::TlsFacts& tls_facts() const { return tls_facts_; }
    // All that RFC 8689 s4.2.1 asks: the host was found for certain, proved its name under TLS, and knows the option.
    [[nodiscard]] bool may_carry_require_tls() const {
        return options_.host_is_certain && tls_facts_.verified && session_.secure() && session_.extensions().require_tls;
    }

private:
    net::awaitable<void> run(protocol::ClientAction action);
    net::awaitable<protocol::ClientAction> read_reply(std::string output);
    net::awaitable<protocol::ClientAction> start_tls();
    net::awaitable<protocol::ClientAction> send_content();
    net::awaitable<net::IoResult> send_spooled_body();
    net::IoResult body_unreadable(int error);
    std::string why_lost(const net::error_code& error) const;

    net::Stream stream_;
    net::Deadline deadline_;
    Target target_;
    ConnectionOptions options_;
    net::ClientTls& tls_;
    net::asio::thread_pool& files_;
    protocol::ClientSession session_;
    Content content_;
    net::TlsFacts tls_facts_;
    bool usable_ = false;
    bool tls_failed_ = false;
    bool untrusted_ = false;
    std::array<char, 4096> buffer_;
};

}  // namespace posthorn::smtp::client
