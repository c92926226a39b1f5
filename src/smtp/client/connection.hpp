// One open connection to a receiving server: carries out what the client session decides, transaction by transaction.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/endpoint.hpp"
#include "mail/message.hpp"
#include "net/deadline.hpp"
#include "net/stream.hpp"
#include "net/task_group.hpp"
#include "net/tls_context.hpp"
#include "smtp/client/options.hpp"
#include "smtp/protocol/client_session.hpp"
#include "smtp/protocol/transcript.hpp"

namespace posthorn::smtp::client {

// From the mechanisms that a server offers (upper case) and the TLS they are offered under, the exchange with one of them, or
// why none of them will do.
using ChooseLogin = std::function<Result<std::unique_ptr<auth::SaslClient>>(const std::vector<std::string>& offered,
                                                                            const net::TlsFacts& tls)>;

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
    bool implicit_tls = false;              // TLS from the first octet (RFC 8314 s3.3); with tls: required
    net::TlsTarget handshake;               // what the peer has to show; an empty host is target.host, port 0 target.port
    bool host_is_certain = false;           // target.host was not found by plain DNS, which anybody may have answered
    std::optional<IpAddress> source;
    bool pipelining = true;                 // where it is offered
    bool chunking = false;                  // BDAT in place of DATA where it is offered (RFC 3030)
    bool smtputf8 = true;                   // false: as if it were not offered
    ChooseLogin login;                      // set: no mail without AUTH, and a failure of it is of Stage::auth
    bool login_in_clear = false;            // AUTH also where the connection is not under TLS
    bool helo = false;                      // HELO at once, no ESMTP; open() finds out for itself where it must be
    ClientTimeouts timeouts;
    protocol::Transcript::Follower live;    // sees the opening as it happens, and what comes then, until follow() says otherwise
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
    // As it will be sent, but for dots: the last line with its line end.
    [[nodiscard]] std::uint64_t size() const {
        return prefix.size() + message->size() + (message->body.facts.ends_with_crlf ? 0 : 2);
    }
};

class Connection;

// Either a connection whose session is ready, or why there is none.
struct Opened {
    std::unique_ptr<Connection> connection;
    protocol::SessionFailure failure;       // when there is no connection; stage connect: the host did not answer at all
    bool untrusted = false;                 // its certificate was to be verified, and was refused
    bool hung_up_at_ehlo = false;           // and so it did when HELO was tried, where that could be
    bool tls_failed = false;                // STARTTLS or the handshake broke: in the clear it might work (RFC 3207, TLS-2)
    net::CertificateFault fault = net::CertificateFault::none;   // why it is untrusted
    bool shook_hands = false;               // it came to a handshake, whatever became of it
    net::error_code connect_error;          // of stage connect
    std::string local_address;              // ours; empty where it did not connect
    std::string greeting;                   // the first word of the peer's greeting: what it calls itself
    std::string transcript;                 // of the opening that failed (protocol::Transcript::text()); empty where it did not

    Opened() = default;
    [[nodiscard]] bool ok() const { return connection != nullptr; }
};

// Owned by one coroutine at a time (or by the pool, idle); on one shard. Every wait has a deadline by its stage.
class Connection {
public:
    // A server that hangs up at EHLO is tried once more with HELO. tls and files outlive the connection; files reads bodies that
    // are not in memory, and works out responses of a login.
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
    // What went to and fro: the opening and the last transaction.
    [[nodiscard]] std::string transcript() const { return transcript_.text(); }
    // The same, line by line as it happens (protocol::Transcript::follow); whoever sets it takes it back.
    void follow(protocol::Transcript::Follower live) { transcript_.follow(std::move(live)); }
    // All that RFC 8689 s4.2.1 asks: the host was found for certain, proved its name under TLS, and knows the option.
    [[nodiscard]] bool may_carry_require_tls() const {
        return options_.host_is_certain && tls_facts_.verified && session_.secure() && session_.extensions().require_tls;
    }

private:
    // The body's file, open while a transaction reads it.
    struct BodyFile {
        explicit BodyFile(int number) : fd(number) {}
        ~BodyFile();
        BodyFile(const BodyFile&) = delete;
        BodyFile& operator=(const BodyFile&) = delete;
        int fd;
    };
    static constexpr std::uint64_t kNothing = ~std::uint64_t{0};

    static net::awaitable<Opened> open_once(Target target, ConnectionOptions options, net::ClientTls& tls,
                                            net::asio::thread_pool& files);
    protocol::ClientOptions session_options_with_login();
    net::awaitable<void> run(protocol::ClientAction action);
    void wait_for(Duration limit);
    net::awaitable<protocol::ClientAction> read_reply(std::string output);
    net::awaitable<protocol::ClientAction> start_tls();
    net::awaitable<std::string> shake_hands();   // why it broke; empty: it did not
    net::awaitable<protocol::ClientAction> log_in(std::string challenge);
    // sending.cpp: the content.
    net::awaitable<protocol::ClientAction> send_content();
    net::awaitable<protocol::ClientAction> send_chunk(std::string command, std::uint64_t size);
    net::awaitable<protocol::ClientAction> after_failure(net::error_code error, bool of_chunk);
    net::awaitable<net::IoResult> send_in_memory(std::string_view header);
    net::awaitable<net::IoResult> send_spooled(std::string_view header);
    net::awaitable<net::IoResult> write_pieces(std::span<const std::string_view> pieces);
    net::awaitable<std::string_view> next_of_body(std::uint64_t most);
    std::string above_body();
    net::IoResult body_unreadable(int error);
    std::string why_lost(const net::error_code& error) const;
    std::string lost(const net::error_code& error);   // the same, which is the end of the transcript
    Duration elapsed() const;
    void note(std::string_view words) { transcript_.note(elapsed(), words); }
    void note_content(std::uint64_t octets);

    net::Stream stream_;
    net::Deadline deadline_;
    Target target_;
    ConnectionOptions options_;
    net::ClientTls& tls_;
    net::asio::thread_pool& files_;
    protocol::ClientSession session_;
    Content content_;
    std::string above_;                     // with BDAT: what stands above the body
    std::uint64_t above_sent_ = 0, body_sent_ = 0, tail_sent_ = 0;
    std::string body_piece_;                // read from the file last
    int body_error_ = 0;
    std::unique_ptr<BodyFile> body_file_;
    SteadyTime session_limit_ = SteadyTime::max();
    std::uint64_t waited_for_ = kNothing;   // session_.replies() when the wait for the next began
    net::TlsFacts tls_facts_;
    SteadyTime begun_ = std::chrono::steady_clock::now();
    protocol::Transcript transcript_;       // its times count from begun_
    bool usable_ = false;
    bool tls_failed_ = false;
    bool shook_hands_ = false;
    bool untrusted_ = false;
    bool hung_up_ = false;
    net::CertificateFault fault_ = net::CertificateFault::none;
    std::array<char, 4096> buffer_;
};

}  // namespace posthorn::smtp::client
