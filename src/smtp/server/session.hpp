// The driver of one client's connection: carries out what protocol::ServerSession says, and holds no rule of its own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "intake/intake.hpp"
#include "net/deadline.hpp"
#include "net/stream.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"
#include "smtp/protocol/server_session.hpp"
#include "smtp/server/account_check.hpp"
#include "smtp/server/authenticator.hpp"
#include "smtp/server/policy.hpp"
#include "smtp/server/reception.hpp"
#include "smtp/server/runtime.hpp"
#include "smtp/server/server.hpp"

namespace posthorn::smtp::server {

// Lives in its coroutine's frame, on the server's shard. What it is given by reference outlives it.
class Session {
public:
    Session(net::Stream stream, Client client, ListenerOptions listener, std::shared_ptr<const Runtime> runtime,
            Premises& premises, net::TaskGroup& group);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // From the greeting to the closed connection.
    net::awaitable<void> run();

private:
    using Action = protocol::ServerAction;

    net::awaitable<void> converse();
    net::awaitable<Action> read();
    net::awaitable<bool> handshake();
    // Whether the client lets us speak first; for strangers after timeouts.greeting_delay. In the clear only: TLS begins with
    // the client's hello.
    net::awaitable<bool> waits_for_greeting();
    [[nodiscard]] protocol::ClientFacts change_client();
    void take_seat();
    net::awaitable<protocol::SaslAnswer> authenticate();
    // The guard's word on a login before it is looked at: an answer where the outcome would not be told.
    [[nodiscard]] std::optional<protocol::SaslAnswer> forestall(std::string_view user) const;
    // The guard's word on a login that was looked at (session_guard.cpp): what may be said of it, after the time it costs.
    net::awaitable<protocol::SaslAnswer> guarded(protocol::SaslAnswer answer);
    void count_offence(DoorGuard::Offence offence, std::string_view subject);
    void log_ban(const DoorGuard::Ban& ban) const;
    net::awaitable<void> collect(std::string_view content);
    protocol::StoreResult not_stored(std::string_view trouble);
    net::awaitable<protocol::StoreResult> store();
    net::awaitable<void> farewell();

    [[nodiscard]] protocol::Verdict check_mail();
    [[nodiscard]] protocol::Verdict check_recipient();
    // Of a recipient that may be one: what it comes to if it is a name of this machine.
    net::awaitable<protocol::Verdict> look_up_name();
    [[nodiscard]] protocol::Verdict begin_data();
    [[nodiscard]] intake::Submission submission() const;
    // Asks for the name of whoever is behind the unix socket, once a session.
    net::awaitable<void> know_caller();

    // Of the login, else of the system user behind the unix socket; nothing for clients that are known by their address alone.
    [[nodiscard]] std::optional<AccountCheck> account();
    [[nodiscard]] protocol::SaslAnswer unless_suspended(protocol::SaslAnswer answer);
    void report_overrun(const auth::Allowances::Overrun& overrun);
    // The refusal as a verdict, logged and counted; nothing when there is none.
    [[nodiscard]] std::optional<protocol::Verdict> refused_by_account(std::string_view stage,
                                                                      std::optional<AccountRefusal> refusal);

    [[nodiscard]] protocol::Reply refuse(std::string_view stage, std::uint16_t code, std::string_view enhanced,
                                         std::string_view text);
    void log_refused(std::string_view stage, const protocol::Reply& reply);
    // Adds the session's number and the queue id: tag(log::info("mail")).kv(...).
    log::Event& tag(log::Event&& event) const;
    // Octets of memory that the message under way holds, as of now.
    void count_memory();
    [[nodiscard]] std::uint64_t held() const;
    void forget_message();
    [[nodiscard]] protocol::ServerFacts facts() const;
    [[nodiscard]] protocol::TlsFacts tls_facts() const;
    [[nodiscard]] AuthContext auth_context() const;
    void log_auth(const protocol::SaslAnswer& answer);
    void on_deadline();
    void give_way();
    // The server ends, and nothing of the client's is under way.
    [[nodiscard]] bool stopping() const { return stopping_ && !core_.in_data(); }
    void set_deadline();

    net::Stream stream_;
    Client client_;
    ListenerOptions listener_;
    std::shared_ptr<const Runtime> runtime_;
    Premises& premises_;
    std::optional<Strangers::Seat> seat_;        // while nobody knows who the client is
    std::string number_text_;
    SteadyTime began_;
    bool trusted_;
    std::shared_ptr<Authenticator> authenticator_;  // null: nobody can log in

    protocol::ServerSession core_;
    std::unique_ptr<Exchange> exchange_;         // of the last AUTH command
    QueueId id_;                                 // of the transaction under way; 0 outside of one
    std::string id_text_;
    std::optional<intake::Caller> caller_;       // of a unix socket, from the first MAIL on
    CallerSight sight_;
    std::optional<Reception> reception_;         // of the message under way, from DATA on
    bool over_budget_ = false;                   // the message under way did not fit into max_intake_memory
    std::vector<intake::Expansion> expansions_;  // of the transaction's local names
    std::uint64_t envelope_octets_ = 0;          // of the recipients accepted since MAIL
    std::uint64_t accounted_ = 0;                // of figures.intake_octets is ours
    std::uint64_t content_octets_ = 0;           // of the message, since data_deadline_ was set
    std::optional<SteadyTime> data_deadline_;    // for the next kDataStep octets of it
    std::uint64_t messages_ = 0;
    std::string_view end_;                       // why it ended, where the core does not know

    bool reading_ = false;                       // nothing but the peer is waited for: stop and timeout may wake it
    bool in_handshake_ = false;
    bool timed_out_ = false;
    bool stopping_ = false;
    std::optional<net::Signal> holding_back_;    // an answer that the guard delays; the server's end wakes it
    net::Deadline deadline_;
    net::TaskGroup::StopCallback stop_;          // last: calls back into this
};

}  // namespace posthorn::smtp::server
