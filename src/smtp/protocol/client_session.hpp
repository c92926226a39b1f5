// The client's side of one SMTP connection that carries many transactions, without the connection (RFC 5321,
// RFC 2920, RFC 3030, RFC 3207, RFC 4954).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/sasl_client.hpp"
#include "base/result.hpp"
#include "smtp/protocol/extensions.hpp"
#include "smtp/protocol/reply.hpp"
#include "smtp/protocol/stage.hpp"
#include "smtp/protocol/transaction.hpp"

namespace posthorn::smtp::protocol {

// From the mechanisms that a server offers, upper case, the exchange with one of them, or why none of them will do.
using ChooseLogin = std::function<Result<std::unique_ptr<auth::SaslClient>>(const std::vector<std::string>& offered)>;

enum class TlsUse : std::uint8_t {
    never,
    opportunistic,  // where it is offered; a refusal of STARTTLS itself goes on in the clear
    required,       // no mail without it
};

struct ClientOptions {
    std::string hostname;  // our name in EHLO, fully qualified
    TlsUse tls = TlsUse::opportunistic;
    bool implicit_tls = false;  // the connection is under TLS from its first octet: STARTTLS is not asked for
    bool pipelining = true;             // use it where it is offered
    std::size_t max_unanswered = 4096;  // octets of commands without a reply (RFC 2920 s3.1, EXT-3)
    bool chunking = false;              // BDAT in place of DATA where it is offered (RFC 3030)
    bool smtputf8 = true;               // false: as if it were not offered
    bool helo = false;                  // HELO at once: this peer hangs up at EHLO
    ChooseLogin login;                  // set: no mail without AUTH (RFC 4954)
    bool login_in_clear = false;        // also where the connection is not under TLS
};

struct ClientAction {
    enum class Kind : std::uint8_t {
        read,          // write output where there is some, read, then on_bytes (or on_lost)
        start_tls,     // handshake, then on_tls or on_lost
        log_in,        // output is the server's challenge: login()->step(output), in a pool, then on_login_step
        send_message,  // write header, empty line, stuffed body and end of data in as few writes as can be,
                       // then on_message_sent (or on_lost)
        send_chunk,  // write output, then the next `chunk` octets of header, empty line and body as they are;
                     // then on_chunk_sent (or on_lost)
        ready,  // idle: results() of the transaction before, if there was one, are complete; call begin() or
                // quit()
        close,  // write output where there is some, close; results() or failure() say what became of the mail
    };
    Kind kind = Kind::read;
    std::string output;
    std::uint64_t chunk = 0;  // octets, of send_chunk

    // A constructor, so that an action may be made in an expression with co_await (docs/COROUTINES.md).
    explicit ClientAction(Kind what = Kind::read, std::string bytes = {})
        : kind(what), output(std::move(bytes)) {}
    friend bool operator==(const ClientAction&, const ClientAction&) = default;
};

[[nodiscard]] std::string_view to_string(ClientAction::Kind kind);

// Why a session cannot be used: from the greeting, EHLO, STARTTLS, or because the connection broke.
struct SessionFailure {
    Stage stage = Stage::greeting;
    Reply reply;  // code 0: lost or broken; its words are ours
    bool local = false;
};

// Owned by one driver, used by one thread, knows no clock: the driver measures by stage() (RFC 5321
// s4.5.3.2).
//
//   for (auto action = session.start();;) switch (action.kind) { ... }
//
// REQUIRES: one event for each action. begin() and quit() answer `ready`; on_lost answers any action but
// ready and close.
//
// The opening: greeting, EHLO (or HELO), STARTTLS and EHLO again, AUTH; then the session is ready.
//
// Round trips of a transaction on a connection in use, with PIPELINING: two (MAIL, RCPT and DATA; the
// message). A RSET that is due from the transaction before goes out with them. With CHUNKING they are two as
// well: BDAT needs no 354, but RFC 3030 s4.2 would let it follow RCPT at once, and then a connection lost in
// between would leave every recipient in doubt.
//
// GUARANTEE: any slicing of the input gives the same actions. Bytes nobody asked for break the session: after
// the 220 to STARTTLS they are an injection (RFC 3207 s6), elsewhere they would be taken for replies to later
// commands.
class ClientSession {
public:
    explicit ClientSession(ClientOptions options);

    [[nodiscard]] ClientAction start();  // awaits the greeting
    [[nodiscard]] ClientAction on_bytes(std::string_view in);
    [[nodiscard]] ClientAction on_tls(std::string version, std::string cipher);
    [[nodiscard]] ClientAction on_login_step(Result<std::string> response);
    [[nodiscard]] ClientAction on_message_sent();
    [[nodiscard]] ClientAction on_chunk_sent();
    [[nodiscard]] ClientAction begin(Transaction transaction);
    [[nodiscard]] ClientAction quit();
    // The connection ended, a deadline passed, the handshake failed. `why` in our words: "connection closed
    // by the peer".
    [[nodiscard]] ClientAction on_lost(std::string_view why);

    // The oldest thing waited for: the driver's deadline goes by it, and "we were doing" in the log. While
    // the message is being sent it is Stage::data, from on_message_sent on Stage::end_of_data.
    [[nodiscard]] Stage stage() const;
    // In the order of the transaction's recipients. REQUIRES: the action is ready or close, and begin() was
    // called.
    [[nodiscard]] const std::vector<RecipientResult>& results() const { return results_; }
    [[nodiscard]] const std::optional<SessionFailure>& failure() const { return failure_; }
    // The transaction the results are about; the driver finds the body's facts through it.
    [[nodiscard]] const Transaction& transaction() const { return transaction_; }

    // REQUIRES: the action is log_in. Another thread may use it until on_login_step.
    [[nodiscard]] auth::SaslClient* login() const { return login_.get(); }
    // How many replies came: a driver that waits for one measures from the last.
    [[nodiscard]] std::uint64_t replies() const { return replies_; }
    [[nodiscard]] const Reply& greeting() const { return greeting_; }
    [[nodiscard]] const Extensions& extensions() const { return extensions_; }
    [[nodiscard]] bool secure() const { return secure_; }
    // Whether commands may go out without waiting, content goes by BDAT, and the transaction speaks SMTPUTF8.
    [[nodiscard]] bool pipelines() const { return options_.pipelining && extensions_.pipelining; }
    [[nodiscard]] bool by_chunks() const { return by_chunks_; }
    [[nodiscard]] bool needs_smtputf8() const;
    [[nodiscard]] const std::string& tls_version() const { return tls_version_; }
    [[nodiscard]] const std::string& tls_cipher() const { return tls_cipher_; }
    // The peer's refusal of STARTTLS with which an opportunistic session went on in the clear; code 0: none.
    [[nodiscard]] const Reply& tls_refusal() const { return tls_refusal_; }
    // The mechanism of the login that succeeded; empty: there was none.
    [[nodiscard]] const std::string& login_mechanism() const { return login_mechanism_; }
    [[nodiscard]] std::uint32_t transactions() const { return transactions_; }  // begun on this connection
    // REQUIRES: the action is ready. False: the peer's MAILMAX (RFC 9422) is reached; quit.
    [[nodiscard]] bool may_begin() const;

private:
    struct Expected {
        Stage stage;
        std::uint32_t recipient;  // for Stage::rcpt
        std::uint32_t octets;     // of the command, until it is answered
    };
    enum class Phase : std::uint8_t { opening, tls, login, ready, envelope, sending, chunk, closing };

    ClientAction next();  // all that was read is looked at: what now?
    ClientAction act(ClientAction::Kind kind);
    void on_reply(Reply reply);
    void on_greeting(Reply reply);
    void on_ehlo(const Reply& reply);
    void on_helo(const Reply& reply);
    void on_starttls(const Reply& reply);
    void on_auth(const Reply& reply);
    void on_mail(const Reply& reply);
    void on_rcpt(const Reply& reply, std::uint32_t recipient);
    void on_data(const Reply& reply);
    void on_chunk(const Reply& reply);
    void on_end_of_data(const Reply& reply);
    void on_unsolicited();

    // Appends a command to the output if it may be under way with the others: the first always, more of them
    // by PIPELINING.
    bool send(Stage stage, std::string_view command, std::uint32_t recipient = 0);
    void hello();   // EHLO, unless HELO was asked for
    void opened();  // EHLO or HELO is through: TLS first?
    void log_in();  // then AUTH, where it is asked for
    void respond(std::string_view response);
    void cancel_login(std::string why);
    void send_envelope();  // as much of it as may be under way
    void next_chunk();
    // A reply that is no answer to what was said: nothing that follows can be relied on.
    void out_of_step(Stage stage, const Reply& reply);
    [[nodiscard]] std::string mail_command() const;
    [[nodiscard]] std::string rcpt_command(const mail::EnvelopeRecipient& recipient) const;
    [[nodiscard]] bool sender_needs_smtputf8() const;
    void refuse_hopeless();  // recipients that this peer cannot have
    // Why the peer cannot take this message, where that is known beforehand.
    [[nodiscard]] std::optional<Reply> objection() const;
    void settle(std::uint32_t recipient, Fate fate, Stage stage, const Reply& reply, bool local = false);
    void settle_open(Fate fate, Stage stage, const Reply& reply, bool local = false,
                     bool maybe_delivered = false);
    void fail(Stage stage, const Reply& reply, bool local = false);  // the session's end

    ClientOptions options_;
    Phase phase_ = Phase::opening;
    ReplyParser parser_;
    // Sent and not yet answered, oldest first: pipelining is letting it grow past one.
    std::deque<Expected> expected_;
    std::size_t unanswered_ = 0;  // octets of the commands in it
    std::string output_;

    Reply greeting_;
    Extensions extensions_;
    bool secure_ = false;
    std::string tls_version_, tls_cipher_;
    Reply tls_refusal_;
    Reply ehlo_refusal_;  // HELO was said after it
    std::unique_ptr<auth::SaslClient> login_;  // under way
    std::vector<std::string> refused_mechanisms_;
    std::string login_mechanism_;
    std::string login_trouble_;           // why we ended the exchange by "*"
    std::optional<std::string> challenge_;  // decoded, waiting for login_
    std::optional<std::string> initial_;  // the initial response, where it did not fit into the command
    std::uint32_t login_turns_ = 0;
    std::optional<SessionFailure> failure_;
    std::uint64_t replies_ = 0;
    std::uint32_t transactions_ = 0;
    bool reset_due_ = false;            // the peer may still hold a transaction that we gave up
    Stage answered_ = Stage::greeting;  // what the last reply was to

    Transaction transaction_;
    std::vector<RecipientResult> results_;
    std::vector<bool> settled_;         // by recipient
    std::uint32_t accepted_ = 0;        // recipients whose RCPT was answered 2xx
    std::uint32_t next_recipient_ = 0;  // whose RCPT is to be sent next
    std::uint32_t recipients_end_ = 0;  // none is sent from here on
    bool mail_sent_ = false, data_sent_ = false, mail_refused_ = false;
    bool by_chunks_ = false;
    std::uint64_t chunk_ = 0, content_sent_ = 0;  // octets, with BDAT
    bool abandoned_ = false;  // ended by a lone dot: what the peer makes of it concerns nobody
};

inline constexpr std::uint64_t kChunk = 4 * 1024 * 1024;  // octets of one BDAT

}  // namespace posthorn::smtp::protocol
