// The server's side of one SMTP connection, without the connection: bytes and answers in, actions out (RFC
// 5321, RFC 6409).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mail/address.hpp"
#include "mail/envelope.hpp"
#include "smtp/protocol/chunk_scanner.hpp"
#include "smtp/protocol/command.hpp"
#include "smtp/protocol/data_codec.hpp"
#include "smtp/protocol/reply.hpp"
#include "smtp/protocol/reply_tally.hpp"
#include "smtp/protocol/sasl_turn.hpp"
#include "smtp/protocol/xclient.hpp"

namespace posthorn::smtp::protocol {

struct SessionLimits {
    std::uint64_t max_message_size = 35 * 1024 * 1024;  // octets, advertised as SIZE
    std::uint32_t max_recipients = 1000;                // per transaction, then 452 4.5.3
    std::uint32_t max_command_line = 2048;              // octets with CRLF
    std::uint32_t max_auth_line = 12288;                // RFC 4954 s4.3
    std::uint32_t max_errors = 20;        // bad commands since the last stored message, then 421 and close
    std::uint32_t max_auth_failures = 3;  // per connection, then 421 and close; as many of what nobody could look at
};

enum class SessionTls : std::uint8_t {
    none,
    starttls,
    active
};  // not offered; offered; on since the first octet (port 465)
enum class SessionAuth : std::uint8_t { none, optional, required };

// What holds for the connection from its first octet.
struct ServerFacts {
    std::string hostname;
    SessionLimits limits;
    SessionTls tls = SessionTls::none;
    SessionAuth auth = SessionAuth::none;
    bool auth_without_tls = false;  // AUTH is offered in the clear too (loopback, unix socket)
    // SASL names in upper case, the best first. Those that end in -PLUS are offered only where TLS gave a
    // channel binding. Empty: nobody can be asked, so that AUTH is not named in EHLO and answered 454.
    std::vector<std::string> mechanisms;
    bool trusted = false;           // may send without AUTH unless auth is required
    bool require_tls = false;       // REQUIRETLS is offered under TLS (RFC 8689 s3)
    bool xclient = false;           // this client may say that it speaks for another (XCLIENT)
    bool caller = false;            // a program of this machine: XCALLER is offered (AcceptedParameters::caller)
    ReplyTally* replies = nullptr;  // counts what is refused; outlives the session
};

struct TlsFacts {
    std::string version;  // "TLSv1.3"
    std::string cipher;   // "TLS_AES_256_GCM_SHA384"
    std::string channel_binding;  // octets of all types that this connection has; empty: none, so no -PLUS

    TlsFacts() = default;
    TlsFacts(std::string v, std::string c, std::string binding = {})
        : version(std::move(v)), cipher(std::move(c)), channel_binding(std::move(binding)) {}
};

// The driver's answer to check_mail, check_recipient and begin_data.
struct Verdict {
    std::optional<Reply> refusal;  // nothing: go on
    bool disabled = false;         // of the account: nothing more can come of this session, 421 ends it

    static Verdict accept() { return Verdict(); }
    static Verdict refuse(Reply reply) { return Verdict(std::move(reply)); }
    static Verdict disable(Reply reply) { return Verdict(std::move(reply), true); }

    Verdict() = default;
    explicit Verdict(Reply reply, bool account_disabled = false)
        : refusal(std::move(reply)), disabled(account_disabled) {}
};

// Of the client that a proxy speaks for: the answer to change_client.
struct ClientFacts {
    bool trusted = false;
    bool xclient = false;  // and may in its turn speak for another
    bool auth_without_tls = false;
    std::optional<Reply> refusal;  // it is not served; 421 ends the connection

    ClientFacts() = default;
};

struct StoreResult {
    std::string queue_id;          // stored: durable, and named in the 250
    std::optional<Reply> refusal;  // not stored
    bool known = false;            // stored by an earlier try, which XHANDOFF names

    static StoreResult stored(std::string id) { return StoreResult(std::move(id), std::nullopt); }
    static StoreResult stored_before() {
        StoreResult result({}, std::nullopt);
        result.known = true;
        return result;
    }
    static StoreResult temporary(std::string_view text) {
        return StoreResult({}, make_reply(451, "4.3.0", text));
    }
    static StoreResult refused(Reply reply) { return StoreResult({}, std::move(reply)); }

    StoreResult(std::string id, std::optional<Reply> reply)
        : queue_id(std::move(id)), refusal(std::move(reply)) {}
};

// What the driver does next, each with the event that answers it. `output` is written first where it is not
// empty.
struct ServerAction {
    enum class Kind : std::uint8_t {
        read,             // read, then on_bytes (or on_eof, on_timeout, on_shutdown)
        write,            // write output before more of what was read is looked at, then on_written
        check_mail,       // may session.mail_command() begin a transaction? then on_verdict
        check_recipient,  // may session.rcpt_command() be added to it? then on_verdict
        begin_data,       // the content of session.envelope() follows: make ready for it, then on_verdict
                          // (refusal: 4xx or 5xx to DATA)
        store,            // the content ended and is whole: make it durable, then on_stored
        drop,             // the content ended and was refused (session.refusal()): forget it, then on_dropped
        abandon,          // the client let go of the message it sent in chunks: forget it, then on_abandoned
        authenticate,  // ask the mechanism of session.sasl_turn(), then on_sasl
        change_client,  // session.xclient_command() speaks for another client, then on_client
        start_tls,  // write output, do the handshake, then on_tls; when the handshake fails, close without a
                    // word
        close,      // write output, close; session.end() says why
    };
    Kind kind = Kind::read;
    std::string output;

    // A constructor, so that an action may be made in an expression with co_await (docs/COROUTINES.md).
    explicit ServerAction(Kind what = Kind::read, std::string bytes = {})
        : kind(what), output(std::move(bytes)) {}
    friend bool operator==(const ServerAction&, const ServerAction&) = default;
};

[[nodiscard]] std::string_view to_string(ServerAction::Kind kind);

// Why a session ended, in the words of the log.
enum class SessionEnd : std::uint8_t {
    open,  // it did not
    quit,
    eof,
    timeout,
    shutdown,
    too_many_errors,
    too_many_auth_failures,
    bytes_after_starttls,  // RFC 3207 s6: plaintext injection, or a broken client
    bare_line_ends,        // CR or LF alone in a message or a command
    unknown_chunk,         // a BDAT that does not say where its chunk ends
    turned_away,           // SaslAnswer::turned_away
    other_protocol,        // a browser, a fetched URL: what follows may be commands somebody slipped into its request
    early_talk,            // it spoke before the greeting
    account_disabled,      // while the session was open
};

[[nodiscard]] std::string_view to_string(SessionEnd end);

// Owned by one driver, used by one thread, knows no clock.
//
//   for (auto action = session.start();;) switch (action.kind) { ... action = session.on_x(...); }
//
// REQUIRES: one event for each action, of the kind the action names. on_shutdown, on_timeout and on_eof
// answer `read` only; while anything else is under way the driver finishes that first. on_bytes is called
// with all that was read: nothing stays behind in the driver's buffer.
//
// DATA and BDAT: octets are decoded as they come; the driver collects them with take_content() after each on_bytes and
// on_verdict, before it carries out the action. They belong to the transaction that began with the last
// begin_data.
//
// GUARANTEE: any slicing of the input gives the same actions and content, but for `write` and for what
// follows STARTTLS: bytes that come with the command are refused, later ones are the handshake's.
//
// Replies are gathered, but never much more than kMaxGathered: a stranger who sends short commands and reads
// none of the answers must not make us hold twenty times what he sent.
class ServerSession {
public:
    static constexpr std::size_t kMaxGathered = 8 * 1024;
    // A larger chunk is not waited for: it is none that anybody would send.
    static constexpr std::uint64_t kMaxChunk = std::uint64_t{1} << 40U;

    explicit ServerSession(ServerFacts facts);

    [[nodiscard]] ServerAction start();
    // Instead of start(): the client did not wait for the greeting.
    [[nodiscard]] ServerAction on_early_talk();
    [[nodiscard]] ServerAction on_bytes(std::string_view in);
    [[nodiscard]] ServerAction on_written();
    [[nodiscard]] ServerAction on_verdict(Verdict verdict);
    [[nodiscard]] ServerAction on_sasl(SaslAnswer answer);
    [[nodiscard]] ServerAction on_client(ClientFacts client);
    // Forgets all that was said in the clear (RFC 3207 s4.2).
    [[nodiscard]] ServerAction on_tls(TlsFacts tls);
    [[nodiscard]] ServerAction on_stored(StoreResult result);
    [[nodiscard]] ServerAction on_dropped();
    [[nodiscard]] ServerAction on_abandoned();
    [[nodiscard]] ServerAction on_timeout();   // 421 4.4.2
    [[nodiscard]] ServerAction on_shutdown();  // 421 4.3.2
    [[nodiscard]] ServerAction on_eof();

    // Content decoded since the last call; the view is valid until the next event or call.
    [[nodiscard]] std::string_view take_content();

    // --- the questions' subjects ---
    [[nodiscard]] const MailCommand& mail_command() const { return mail_; }
    [[nodiscard]] const RcptCommand& rcpt_command() const { return rcpt_; }
    // REQUIRES: the action is authenticate. The response is forgotten with the answer to it.
    [[nodiscard]] const SaslTurn& sasl_turn() const { return turn_; }
    [[nodiscard]] const XclientCommand& xclient_command() const { return xclient_; }
    // Complete from begin_data until store or drop is answered.
    [[nodiscard]] const mail::Envelope& envelope() const { return transaction_.envelope; }
    // REQUIRES: the action is store or drop.
    [[nodiscard]] const DataFacts& data_facts() const {
        return transaction_.chunked ? transaction_.scanner.facts() : transaction_.decoder.facts();
    }
    // REQUIRES: the action is drop. What the client will be told.
    [[nodiscard]] const Reply& refusal() const { return refusal_; }

    // --- for the Received field, the timeouts and the log ---
    [[nodiscard]] const std::string& helo() const { return connection_.helo; }
    [[nodiscard]] bool extended() const { return connection_.extended; }  // EHLO, not HELO
    [[nodiscard]] bool authenticated() const { return !connection_.user.empty(); }
    [[nodiscard]] const std::string& user() const { return connection_.user; }
    [[nodiscard]] bool secure() const { return connection_.secure; }
    [[nodiscard]] const std::optional<TlsFacts>& tls() const { return connection_.tls; }
    void set_tls(TlsFacts tls) {
        connection_.tls = std::move(tls);
    }  // of an implicit handshake, before start()
    // From begin_data to the end of the content. Not while a refused chunk is read.
    [[nodiscard]] bool in_data() const {
        return state_ == State::data || state_ == State::chunks || (state_ == State::chunk && transaction_.chunked);
    }
    [[nodiscard]] SessionEnd end() const { return end_; }
    // It said MAIL while it was not allowed to send, though it may have logged in since.
    [[nodiscard]] bool asked_to_relay() const { return asked_to_relay_; }
    [[nodiscard]] std::uint32_t errors() const { return connection_.errors; }
    // RFC 3848 and RFC 6531 s4.3: "SMTP", "ESMTP", "ESMTPSA", "UTF8SMTPSA", ...
    [[nodiscard]] std::string_view with_protocol() const;

private:
    enum class State : std::uint8_t {
        fresh,
        greeted,
        mail,
        rcpt,
        data,
        chunk,   // octets of a chunk are awaited
        chunks,  // some chunks came, the last one did not
        auth,
        closing
    };
    enum class Waiting : std::uint8_t { bytes, mail, rcpt, data, sasl, client, tls, stored, dropped, abandoned, nothing };

    // What lives as long as the connection, or until STARTTLS.
    struct Connection {
        std::string helo;
        std::string user;
        bool extended = false;
        bool secure = false;
        std::optional<TlsFacts> tls;
        std::uint32_t errors = 0;
        std::uint32_t auth_failures = 0;
        std::uint32_t auth_untold = 0;  // answered 454
    };
    // What RSET, EHLO and STARTTLS replace by a fresh one.
    struct Transaction {
        mail::Envelope envelope;
        DataDecoder decoder;
        ChunkScanner scanner;
        bool chunked = false;  // the content comes, or came, by BDAT
        bool failed = false;   // what it follows ended with a refused chunk, and more may have been sent
    };
    // The chunk under way.
    struct Chunk {
        std::uint64_t size = 0;
        std::uint64_t left = 0;  // octets still to come
        bool last = false;
        std::optional<Reply> refusal;  // it is read and forgotten, then answered with this
        State before = State::fresh;   // in which BDAT was said
    };
    struct Row;  // of the command table
    static const Row kTable[];

    ServerAction run(std::string_view& in);  // all lines and content, until something must be asked
    ServerAction resume();                   // after an answer: goes on with what was read before
    ServerAction act(ServerAction::Kind kind);
    ServerAction close(SessionEnd end);
    ServerAction ask(Waiting what, ServerAction::Kind kind);
    void answered() { waiting_ = Waiting::bytes; }
    // Each of these returns an action when the driver must do something before the next line is looked at.
    std::optional<ServerAction> take_line(std::string_view& in);
    std::optional<ServerAction> on_line(std::string_view line);
    std::optional<ServerAction> on_overlong_line();
    std::optional<ServerAction> command(std::string_view line);
    std::optional<ServerAction> sasl_line(std::string_view line);
    std::optional<ServerAction> sasl_response(std::string_view base64);
    std::optional<ServerAction> sasl_accepted(std::string user);
    std::optional<ServerAction> auth_rejected(
        std::string_view wire = "535 5.7.8 Authentication credentials invalid\r\n");
    std::optional<ServerAction> auth_in_vain(std::uint32_t& times);
    std::optional<ServerAction> take_content_from(std::string_view& in);
    std::optional<ServerAction> take_chunk_from(std::string_view& in);
    std::optional<ServerAction> begin_chunk();
    std::optional<ServerAction> end_of_chunk();
    std::optional<ServerAction> refuse_chunk();
    std::optional<ServerAction> lose_step(std::string_view wire);
    std::optional<ServerAction> start_over(State next);
    [[nodiscard]] std::optional<Reply> chunk_refusal(const BdatCommand& command);
    [[nodiscard]] std::optional<Reply> content_refusal() const;
    [[nodiscard]] Reply too_large() const;
    ServerAction end_of_data();

    std::optional<ServerAction> on_ehlo(std::string_view arguments);
    std::optional<ServerAction> on_helo(std::string_view arguments);
    std::optional<ServerAction> on_starttls(std::string_view arguments);
    std::optional<ServerAction> on_auth_command(std::string_view arguments);
    std::optional<ServerAction> on_mail(std::string_view arguments);
    std::optional<ServerAction> on_rcpt(std::string_view arguments);
    std::optional<ServerAction> on_data(std::string_view arguments);
    std::optional<ServerAction> on_bdat(std::string_view arguments);
    std::optional<ServerAction> on_xclient(std::string_view arguments);
    std::optional<ServerAction> on_rset(std::string_view arguments);
    std::optional<ServerAction> on_noop(std::string_view arguments);
    std::optional<ServerAction> on_vrfy(std::string_view arguments);
    std::optional<ServerAction> on_help(std::string_view arguments);
    std::optional<ServerAction> on_quit(std::string_view arguments);

    void say(std::string_view wire);  // a whole line with CRLF
    void say(const Reply& reply);
    std::optional<ServerAction> error(std::string_view wire);  // says it and counts it; closes at the limit
    std::optional<ServerAction> error(const Reply& reply);
    std::optional<ServerAction> count_error();
    void fresh_transaction(State next);
    [[nodiscard]] bool auth_allowed() const;
    [[nodiscard]] bool offers_require_tls() const;
    [[nodiscard]] bool offers(std::string_view mechanism) const;
    [[nodiscard]] std::string offered_mechanisms() const;
    [[nodiscard]] bool is_auth_line(std::string_view begin) const;
    [[nodiscard]] bool bare_line_ends() const;

    ServerFacts facts_;
    State state_ = State::fresh;
    Waiting waiting_ = Waiting::nothing;
    SessionEnd end_ = SessionEnd::open;
    bool asked_to_relay_ = false;
    Connection connection_;
    Transaction transaction_;
    MailCommand mail_;
    RcptCommand rcpt_;
    XclientCommand xclient_;
    Chunk chunk_;
    SaslTurn turn_;
    std::string accepted_user_;  // waits for the empty line that follows the mechanism's last words
    Reply refusal_;

    std::string line_;         // an unfinished command line
    bool discarding_ = false;  // the line was too long; its end is awaited
    bool discarding_auth_ = false;  // and it was of an AUTH exchange
    bool discarding_bdat_ = false;  // and a chunk may follow it
    std::string rest_;         // read, but not looked at before a question is answered
    std::size_t rest_at_ = 0;  // what of it was looked at
    bool more_ = false;        // something was read after the line under way
    std::string output_;
    std::string content_, taken_;
};

}  // namespace posthorn::smtp::protocol
