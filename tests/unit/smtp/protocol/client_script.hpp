// Scripts of the client's dialogue, run whole, in slices, and with the connection lost at every step.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "smtp/protocol/client_session.hpp"

namespace posthorn::smtp::protocol::test {

inline ClientOptions client_options() {
    ClientOptions options;
    options.hostname = "out.example.org";
    return options;
}

inline Transaction letter(std::vector<std::string> recipients = {"b@example.net"}) {
    Transaction transaction;
    transaction.envelope.reverse_path = "a@example.org";
    for (auto& address : recipients) {
        mail::EnvelopeRecipient recipient;
        recipient.address = std::move(address);
        transaction.envelope.recipients.push_back(std::move(recipient));
    }
    transaction.size = 1000;
    return transaction;
}

// "rcpt delivered 250 2.0.0 Ok": stage, fate and words of a result, with "local" and "maybe" where they hold.
inline std::string show(const RecipientResult& result) {
    std::string out(to_string(result.stage));
    out.append(" ").append(to_string(result.fate));
    if (result.local) out += " local";
    if (result.maybe_delivered) out += " maybe";
    return out.append(" ").append(result.reply.joined());
}

// Steps in order. peer() is what the server says, sends() what the session must have written since; the
// others name the action that must be due, and answer it.
class ClientScript {
public:
    using Kind = ClientAction::Kind;

    explicit ClientScript(ClientOptions options = client_options()) : options_(std::move(options)) {}

    ClientScript& peer(std::string bytes) { return add(Step::peer, std::move(bytes)); }
    ClientScript& sends(std::string bytes) { return add(Step::sends, std::move(bytes)); }
    ClientScript& begins(Transaction transaction) {
        add(Step::begins, {});
        steps_.back().transaction = std::move(transaction);
        return *this;
    }
    ClientScript& handshakes() { return add(Step::handshakes, {}); }
    // The response that the login makes of the server's challenge.
    ClientScript& logs_in() { return add(Step::logs_in, {}); }
    ClientScript& sends_chunk(std::uint64_t size) {
        add(Step::sends_chunk, {});
        steps_.back().size = size;
        return *this;
    }
    ClientScript& sends_message() { return add(Step::sends_message, {}); }
    ClientScript& ready() { return add(Step::ready, {}); }
    ClientScript& closes() { return add(Step::closes, {}); }
    ClientScript& quits() { return add(Step::quits, {}); }
    ClientScript& results(std::vector<std::string> lines) {
        add(Step::results, {});
        steps_.back().lines = std::move(lines);
        return *this;
    }
    ClientScript& checks(std::function<void(const ClientSession&)> check) {
        add(Step::checks, {});
        steps_.back().check = std::move(check);
        return *this;
    }
    // Up to `ready`, with the extensions named.
    ClientScript& greeted(const std::vector<std::string>& extensions) {
        std::string reply = "250-mx.example.net";
        for (const auto& extension : extensions) reply += "\r\n250-" + extension;
        reply.replace(reply.rfind("250-") + 3, 1, " ");
        return peer("220 mx.example.net ESMTP\r\n")
            .sends("EHLO out.example.org\r\n")
            .peer(reply + "\r\n")
            .ready();
    }

    void run() const {
        {
            SCOPED_TRACE("whole");
            play([](std::size_t left) { return left; });
        }
        {
            SCOPED_TRACE("by octets");
            play([](std::size_t) { return std::size_t{1}; });
        }
        for (unsigned seed = 0; seed < 10; ++seed) {
            SCOPED_TRACE("random pieces, seed " + std::to_string(seed));
            std::mt19937 random(seed);
            play([&random](std::size_t) { return std::size_t{1} + random() % 40; });
        }
        for (std::size_t stop = 0; stop <= steps_.size(); ++stop) lose(stop);
    }

    // For bytes nobody asked for: in a later piece they would be the reply to a later command.
    void run_whole_only() const {
        play([](std::size_t left) { return left; });
    }

private:
    struct Step {
        enum What {
            peer,
            sends,
            begins,
            handshakes,
            logs_in,
            sends_chunk,
            sends_message,
            ready,
            closes,
            quits,
            results,
            checks
        } what = peer;
        std::string bytes;
        std::uint64_t size = 0;
        Transaction transaction;
        std::vector<std::string> lines;
        std::function<void(const ClientSession&)> check;
    };

    struct Player {
        explicit Player(const ClientOptions& options) : session(options), action(session.start()) {}

        void take(ClientAction next) {
            action = std::move(next);
            if (action.kind != Kind::log_in) sent += action.output;
        }
        template <class Pieces>
        void pump(Pieces& pieces) {
            while (action.kind == Kind::read && !waiting.empty()) {
                const std::size_t n = std::min(pieces(waiting.size()), waiting.size());
                const std::string piece = waiting.substr(0, n);
                waiting.erase(0, n);
                take(session.on_bytes(piece));
            }
        }

        ClientSession session;
        ClientAction action;
        std::string sent, waiting;
        bool begun = false, finished = true;
    };

    ClientScript& add(Step::What what, std::string bytes) {
        Step step;
        step.what = what;
        step.bytes = std::move(bytes);
        steps_.push_back(std::move(step));
        return *this;
    }

    static void expect(const Player& p, Kind kind) {
        ASSERT_EQ(to_string(p.action.kind), to_string(kind))
            << "sent: " << p.sent << (p.session.failure() ? p.session.failure()->reply.joined() : "");
    }

    template <class Pieces>
    void play_steps(Player& p, std::size_t count, Pieces pieces) const {
        for (std::size_t i = 0; i < count; ++i) {
            const Step& step = steps_[i];
            SCOPED_TRACE("step " + std::to_string(i));
            p.pump(pieces);
            switch (step.what) {
                case Step::peer:
                    p.waiting += step.bytes;
                    break;
                case Step::sends:
                    ASSERT_EQ(p.sent, step.bytes);
                    p.sent.clear();
                    break;
                case Step::begins:
                    expect(p, Kind::ready);
                    p.begun = true;
                    p.take(p.session.begin(step.transaction));
                    break;
                case Step::handshakes:
                    expect(p, Kind::start_tls);
                    ASSERT_EQ(to_string(p.session.stage()), "tls");
                    p.take(p.session.on_tls("TLSv1.3", "TLS_AES_256_GCM_SHA384"));
                    break;
                case Step::logs_in:
                    expect(p, Kind::log_in);
                    ASSERT_EQ(to_string(p.session.stage()), "auth");
                    p.take(p.session.on_login_step(p.session.login()->step(p.action.output)));
                    break;
                case Step::sends_chunk:
                    expect(p, Kind::send_chunk);
                    ASSERT_EQ(to_string(p.session.stage()), "data");
                    ASSERT_EQ(p.action.chunk, step.size);
                    p.take(p.session.on_chunk_sent());
                    break;
                case Step::sends_message:
                    expect(p, Kind::send_message);
                    ASSERT_EQ(to_string(p.session.stage()), "data");
                    p.take(p.session.on_message_sent());
                    ASSERT_EQ(to_string(p.session.stage()), "end_of_data");
                    break;
                case Step::ready:
                    expect(p, Kind::ready);
                    break;
                case Step::closes:
                    expect(p, Kind::close);
                    p.waiting.clear();
                    break;
                case Step::quits:
                    p.take(p.session.quit());
                    break;
                case Step::results: {
                    std::vector<std::string> lines;
                    for (const auto& result : p.session.results()) lines.push_back(show(result));
                    ASSERT_EQ(lines, step.lines);
                    break;
                }
                case Step::checks:
                    step.check(p.session);
                    break;
            }
        }
        p.pump(pieces);
    }

    template <class Pieces>
    void play(Pieces pieces) const {
        Player p(options_);
        play_steps(p, steps_.size(), pieces);
        if (::testing::Test::HasFatalFailure()) return;
        EXPECT_EQ(p.sent, "");
        EXPECT_EQ(p.waiting, "");
    }

    // Whatever is under way: the session ends, no recipient is without a result, and only what was lost after
    // the end of data may have been delivered.
    void lose(std::size_t stop) const {
        SCOPED_TRACE("lost before step " + std::to_string(stop));
        Player p(options_);
        play_steps(p, stop, [](std::size_t left) { return left; });
        if (p.action.kind == Kind::ready || p.action.kind == Kind::close) return;
        const Stage stage = p.session.stage();
        const ClientAction last = p.session.on_lost("connection closed by the peer");
        EXPECT_EQ(to_string(last.kind), "close");
        EXPECT_EQ(last.output, "");
        if (stage == Stage::quit) return;
        ASSERT_TRUE(p.session.failure().has_value());
        // EHLO was refused before: that refusal is what is told.
        if (stage == Stage::helo && p.session.failure()->stage == Stage::ehlo) return;
        EXPECT_EQ(to_string(p.session.failure()->stage), to_string(stage));
        EXPECT_EQ(p.session.failure()->reply.code, 0);
        if (!p.begun) return;
        for (const auto& result : p.session.results()) {
            EXPECT_FALSE(result.reply.lines.empty());
            if (result.maybe_delivered) {
                EXPECT_EQ(to_string(stage), "end_of_data");
                EXPECT_EQ(result.reply.code, 0);
            }
            if (result.fate == Fate::delivered) {
                EXPECT_EQ(result.reply.code / 100, 2);
            }
        }
    }

    ClientOptions options_;
    std::vector<Step> steps_;
};

}  // namespace posthorn::smtp::protocol::test
