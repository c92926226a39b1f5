// The client's side of one SMTP connection that carries many transactions, without the connection (RFC 5321,
// RFC 2920, RFC 3207).
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

#include "smtp/protocol/extensions.hpp"
#include "smtp/protocol/reply.hpp"
#include "smtp/protocol/stage.hpp"
#include "smtp/protocol/transaction.hpp"

namespace posthorn::auth {
class SaslClient;
}

namespace posthorn::smtp::protocol {

// From the mechanisms that a server offers, upper case, the exchange with one of them; null: none of them will do.
using ChooseLogin = std::function<std::unique_ptr<auth::SaslClient>(const std::vector<std::string>& offered)>;

enum class TlsUse : std::uint8_t {
    never,
    opportunistic,  // where it is offered; a refusal of STARTTLS itself goes on in the clear
    required,       // no mail without it
};

struct ClientOptions {
    std::string hostname;  // our name in EHLO, fully qualified
    TlsUse tls = TlsUse::opportunistic;
    bool pipelining = true;             // use it where it is offered
    std::size_t max_unanswered = 4096;  // octets of commands without a reply (RFC 2920 s3.1, EXT-3)
    bool chunking = false;              // BDAT in place of DATA where it is offered (RFC 3030)
    bool helo = false;                  // HELO at once: this peer hangs up at EHLO
    ChooseLogin login;                  // set: no mail without AUTH (RFC 4954)
    bool login_in_clear = false;        // also where the connection is not under TLS
};

struct ClientAction {
    enum class Kind : std::uint8_t {
        read,          // write output where there is some, read, then on_bytes (or on_lost)
        start_tls,     // handshake, then on_tls or on_lost
        send_message,  // write header, empty line, stuffed body and end of data in as few writes as can be,
                       // then on_message_sent (or on_lost)
        ready,  // idle: results() of the transaction before, if there was one, are complete; call begin() or
                // quit()
        close,  // write output where there is some, close; results() or failure() say what became of the mail
    };
    Kind kind = Kind::read;
    std::string output;

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
// Round trips of a transaction on a connection in use, with PIPELINING: two (MAIL, RCPT and DATA; the
// message). A RSET that is due from the transaction before goes out with them.
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
    [[nodiscard]] ClientAction on_message_sent();
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

    [[nodiscard]] const Reply& greeting() const { return greeting_; }
    [[nodiscard]] const Extensions& extensions() const { return extensions_; }
    [[nodiscard]] bool secure() const { return secure_; }
    [[nodiscard]] const std::string& tls_version() const { return tls_version_; }
    [[nodiscard]] const std::string& tls_cipher() const { return tls_cipher_; }
    // The peer's refusal of STARTTLS with which an opportunistic session went on in the clear; code 0: none.
    [[nodiscard]] const Reply& tls_refusal() const { return tls_refusal_; }
    [[nodiscard]] std::uint32_t transactions() const { return transactions_; }  // begun on this connection
    // REQUIRES: the action is ready. False: the peer's MAILMAX (RFC 9422) is reached; quit.
    [[nodiscard]] bool may_begin() const;

private:
    struct Expected {
        Stage stage;
        std::uint32_t recipient;  // for Stage::rcpt
        std::uint32_t octets;     // of the command, until it is answered
    };
    enum class Phase : std::uint8_t { opening, tls, ready, envelope, sending, closing };

    ClientAction next();  // all that was read is looked at: what now?
    ClientAction act(ClientAction::Kind kind);
    void on_reply(Reply reply);
    void on_greeting(Reply reply);
    void on_ehlo(const Reply& reply);
    void on_helo(const Reply& reply);
    void on_starttls(const Reply& reply);
    void on_mail(const Reply& reply);
    void on_rcpt(const Reply& reply, std::uint32_t recipient);
    void on_data(const Reply& reply);
    void on_end_of_data(const Reply& reply);
    void on_unsolicited();

    // Appends a command to the output if it may be under way with the others: the first always, more of them
    // by PIPELINING.
    bool send(Stage stage, std::string_view command, std::uint32_t recipient = 0);
    void hello(Stage stage);
    void opened();         // EHLO or HELO is through: TLS first?
    void send_envelope();  // as much of it as may be under way
    [[nodiscard]] std::string mail_command() const;
    [[nodiscard]] std::string rcpt_command(const mail::EnvelopeRecipient& recipient) const;
    [[nodiscard]] bool needs_smtputf8() const;
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
    std::optional<SessionFailure> failure_;
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
    bool abandoned_ = false;  // ended by a lone dot: what the peer makes of it concerns nobody
};

}  // namespace posthorn::smtp::protocol
