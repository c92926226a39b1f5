// The SMTP dialogue of -bs, without standard input and output: octets in, replies and messages out (SM-7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "app/sendmail/input.hpp"
#include "mail/envelope.hpp"

namespace posthorn::app::sendmail {

// RFC 5321 for one client who is known already: the user who started us. Lines end with CRLF or LF. There is no AUTH, no STARTTLS, no
// CHUNKING. Pure; owned by main(). Recipients are checked when the message is handed over, all of them or none is taken.
class StdioDialogue {
public:
    struct Facts {
        std::string hostname;
        std::uint64_t size_limit = 0;
        std::uint32_t max_recipients = 10000;
    };
    explicit StdioDialogue(Facts facts) : facts_(std::move(facts)) {}

    [[nodiscard]] std::string greeting() const { return "220 " + facts_.hostname + " ESMTP\r\n"; }

    // Takes octets from the front of chunk; appends to replies, and to content what belongs to the message. Stops behind the end of a
    // message (has_message()) and of the dialogue (done()); goes on when it is called again.
    std::size_t feed(std::string_view chunk, std::string& replies, std::string& content);

    // A message is whole: hand it over, then on_result. Its content is the caller's to clear.
    [[nodiscard]] bool has_message() const { return has_message_; }
    [[nodiscard]] const mail::Envelope& envelope() const { return envelope_; }
    [[nodiscard]] const MessageInput& message() const { return *input_; }
    // words: an SMTP reply in one line, or other words; code: what is said where words are no reply.
    void on_result(int code, std::string_view enhanced, std::string_view words, std::string& replies);
    [[nodiscard]] bool done() const { return done_; }

private:
    void command(std::string_view line, std::string& replies);
    void mail(std::string_view rest, std::string& replies);
    void recipient(std::string_view rest, std::string& replies);
    void data(std::string& replies);
    void forget();

    Facts facts_;
    std::string line_;
    bool line_too_long_ = false;
    bool greeted_ = false;
    bool has_sender_ = false;
    mail::Envelope envelope_;
    std::optional<MessageInput> input_;
    bool too_big_ = false;
    bool has_message_ = false;
    bool done_ = false;
};

}  // namespace posthorn::app::sendmail
