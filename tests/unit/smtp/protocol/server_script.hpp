// Scripts of the server's dialogue, run whole, in slices, and broken off at every step.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "smtp/protocol/server_session.hpp"

namespace posthorn::smtp::protocol::test {

using Kind = ServerAction::Kind;

inline ServerFacts facts() {
    ServerFacts facts;
    facts.hostname = "mx.example.org";
    facts.trusted = true;
    return facts;
}

inline ServerFacts submission_facts() {
    ServerFacts facts = test::facts();
    facts.trusted = false;
    facts.tls = SessionTls::starttls;
    facts.auth = SessionAuth::required;
    facts.mechanisms = {"SCRAM-SHA-256-PLUS", "PLAIN", "LOGIN"};
    return facts;
}

// Steps in order. says() gives the session bytes, gets() is what it must have said since, asks() the question
// that must come next with its answer, content() what take_content() gave since the last one, closes() the
// end.
class ServerScript {
public:
    using Answer = std::function<ServerAction(ServerSession&)>;

    explicit ServerScript(ServerFacts facts = test::facts()) : facts_(std::move(facts)) {
        gets("220 mx.example.org ESMTP\r\n");
    }

    ServerScript& says(std::string bytes) { return add({Step::says, std::move(bytes), {}, {}, {}}); }
    ServerScript& gets(std::string bytes) { return add({Step::gets, std::move(bytes), {}, {}, {}}); }
    ServerScript& content(std::string bytes) { return add({Step::content, std::move(bytes), {}, {}, {}}); }
    ServerScript& closes(SessionEnd end) { return add({Step::closes, {}, {}, {}, end}); }
    ServerScript& asks(Kind kind, Answer answer) {
        return add({Step::asks, {}, kind, std::move(answer), {}});
    }

    // --- the usual questions ---
    ServerScript& accepts(Kind kind) {
        return asks(kind, [](ServerSession& s) { return s.on_verdict(Verdict::accept()); });
    }
    ServerScript& refuses(Kind kind, Reply reply) {
        return asks(kind, [reply](ServerSession& s) { return s.on_verdict(Verdict::refuse(reply)); });
    }
    ServerScript& stores(std::string id) {
        return asks(Kind::store, [id](ServerSession& s) { return s.on_stored(StoreResult::stored(id)); });
    }
    ServerScript& drops() {
        return asks(Kind::drop, [](ServerSession& s) { return s.on_dropped(); });
    }
    ServerScript& abandons() {
        return asks(Kind::abandon, [](ServerSession& s) { return s.on_abandoned(); });
    }
    ServerScript& handshakes() {
        return asks(Kind::start_tls,
                    [](ServerSession& s) { return s.on_tls(TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384")); });
    }
    // A turn of AUTH, as it must have been asked, and the mechanism's answer.
    ServerScript& sasl(SaslTurn turn, SaslAnswer answer) {
        return asks(Kind::authenticate, [=](ServerSession& s) {
            EXPECT_EQ(s.sasl_turn().mechanism, turn.mechanism);
            EXPECT_EQ(s.sasl_turn().first, turn.first);
            EXPECT_EQ(s.sasl_turn().response, turn.response);
            return s.on_sasl(answer);
        });
    }
    // From EHLO to just before the content.
    ServerScript& up_to_data() {
        return ehlo()
            .says("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
            .accepts(Kind::check_mail)
            .accepts(Kind::check_recipient)
            .accepts(Kind::begin_data)
            .gets("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n");
    }
    // From EHLO to the answered RCPT.
    ServerScript& up_to_rcpt() {
        return ehlo()
            .says("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n")
            .accepts(Kind::check_mail)
            .accepts(Kind::check_recipient)
            .gets("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n");
    }
    ServerScript& ehlo() {
        return says("EHLO c.example\r\n")
            .gets("250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE " +
                  std::to_string(facts_.limits.max_message_size) +
                  "\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n250 ENHANCEDSTATUSCODES\r\n");
    }

    // The script as it stands, by single octets, in random pieces; then ended by the client, the clock and us
    // after each step.
    void run() const {
        {
            SCOPED_TRACE("whole");
            play(steps_.size(), [](std::size_t left) { return left; });
        }
        {
            SCOPED_TRACE("by octets");
            play(steps_.size(), [](std::size_t) { return std::size_t{1}; });
        }
        for (unsigned seed = 0; seed < 20; ++seed) {
            SCOPED_TRACE("random pieces, seed " + std::to_string(seed));
            std::mt19937 random(seed);
            play(steps_.size(), [&random](std::size_t) { return std::size_t{1} + random() % 40; });
        }
        for (std::size_t stop = 0; stop <= steps_.size(); ++stop) break_off(stop);
    }

    // For scripts whose meaning depends on what came in one piece (STARTTLS).
    void run_whole_only() const {
        play(steps_.size(), [](std::size_t left) { return left; });
        for (std::size_t stop = 0; stop <= steps_.size(); ++stop) break_off(stop);
    }

private:
    struct Step {
        enum What { says, gets, asks, content, closes } what;
        std::string bytes;
        Kind kind;
        Answer answer;
        SessionEnd end;
    };

    struct Player {
        explicit Player(const ServerFacts& facts) : session(facts), action(session.start()) {
            said = action.output;
        }

        void take(ServerAction next) {
            action = std::move(next);
            said += action.output;
            content += session.take_content();
            if (action.kind == Kind::write) take(session.on_written());
        }
        template <class Pieces>
        void pump(Pieces& pieces) {
            while (action.kind == Kind::read && !to_send.empty()) {
                const std::size_t n = std::min(pieces(to_send.size()), to_send.size());
                const std::string piece = to_send.substr(0, n);
                to_send.erase(0, n);
                take(session.on_bytes(piece));
            }
        }

        ServerSession session;
        ServerAction action;
        std::string said, content, to_send;
    };

    ServerScript& add(Step step) {
        steps_.push_back(std::move(step));
        return *this;
    }

    template <class Pieces>
    void play_steps(Player& p, std::size_t count, Pieces pieces) const {
        for (std::size_t i = 0; i < count; ++i) {
            const Step& step = steps_[i];
            SCOPED_TRACE("step " + std::to_string(i));
            switch (step.what) {
                case Step::says:
                    p.to_send += step.bytes;
                    break;
                case Step::gets:
                    p.pump(pieces);
                    ASSERT_EQ(p.said.substr(0, step.bytes.size()), step.bytes);
                    p.said.erase(0, step.bytes.size());
                    break;
                case Step::asks:
                    p.pump(pieces);
                    ASSERT_EQ(to_string(p.action.kind), to_string(step.kind)) << "said: " << p.said;
                    p.take(step.answer(p.session));
                    break;
                case Step::content:
                    p.pump(pieces);
                    ASSERT_EQ(p.content, step.bytes);
                    p.content.clear();
                    break;
                case Step::closes:
                    p.pump(pieces);
                    ASSERT_EQ(to_string(p.action.kind), to_string(Kind::close)) << "said: " << p.said;
                    ASSERT_EQ(to_string(p.session.end()), to_string(step.end));
                    p.to_send.clear();
                    break;
            }
        }
        p.pump(pieces);
    }

    template <class Pieces>
    void play(std::size_t count, Pieces pieces) const {
        Player p(facts_);
        play_steps(p, count, pieces);
        if (::testing::Test::HasFatalFailure()) return;
        EXPECT_EQ(p.said, "");
        EXPECT_EQ(p.to_send, "");
    }

    void break_off(std::size_t stop) const {
        SCOPED_TRACE("broken off before step " + std::to_string(stop));
        struct End {
            ServerAction (ServerSession::*event)();
            SessionEnd end;
            std::string_view words;
        };
        const End ends[] = {
            {&ServerSession::on_eof, SessionEnd::eof, ""},
            {&ServerSession::on_timeout, SessionEnd::timeout,
             "421 4.4.2 mx.example.org Timeout, closing the connection\r\n"},
            {&ServerSession::on_shutdown, SessionEnd::shutdown,
             "421 4.3.2 mx.example.org Service is shutting down, try again later\r\n"},
        };
        for (const End& end : ends) {
            Player p(facts_);
            play_steps(p, stop, [](std::size_t left) { return left; });
            if (p.action.kind != Kind::read) continue;  // under way at the driver, which finishes that first
            const ServerAction last = (p.session.*end.event)();
            EXPECT_EQ(to_string(last.kind), to_string(Kind::close));
            EXPECT_EQ(last.output, end.words);
            EXPECT_EQ(to_string(p.session.end()), to_string(end.end));
        }
    }

    ServerFacts facts_;
    std::vector<Step> steps_;
};

}  // namespace posthorn::smtp::protocol::test
