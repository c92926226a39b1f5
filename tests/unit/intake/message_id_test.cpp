// The Message-ID of local mail tells no name that only this machine knows (SUB-7).
#include <gtest/gtest.h>

#include <array>

#include "intake/intake.hpp"
#include "mail/header.hpp"

namespace posthorn::intake {
namespace {

SenderPolicy policy() {
    SenderPolicy policy;
    policy.domains = {"tsukarooohi.com"};
    policy.ours = auth::SenderRules::of_domains(policy.domains);
    policy.machine_names = {"vps4711.hoster.net"};
    return policy;
}

// The field's value as it is stored. `local`: handed in by a program of this machine.
std::string stored(std::string_view field, bool local) {
    auto rules = std::make_shared<Rules>();
    rules->hostname = "mail.tsukarooohi.com";
    const SenderPolicy of_all = policy();
    Submission submission;
    submission.id = QueueId(1234567890123456789);
    submission.now = TimePoint{std::chrono::seconds(1795294321)};
    submission.protocol = "local";
    if (local) submission.sender_policy = &of_all;
    mail::Envelope envelope;
    envelope.reverse_path = "httpd@tsukarooohi.com";
    envelope.recipients.emplace_back().address = "bob@example.org";
    Intake intake(rules, submission, envelope);
    intake.feed(std::string("From: Blog <httpd@kusanagi71.localdomain>\r\n").append(field).append("\r\n\r\nHi\r\n"));
    const Verdict verdict = intake.finish();
    if (const auto* refusal = std::get_if<Refusal>(&verdict)) return refusal->text;
    const mail::HeaderBlock block(std::get<AcceptedMail>(verdict).message->header);
    EXPECT_EQ(block.count("Message-ID"), 1U);
    for (std::size_t i = 0; i < block.size(); ++i)
        if (text::iequals(block[i].name, "Message-ID")) return std::string(text::trim(mail::unfold(block[i].value)));
    return "none";
}

struct Case {
    std::string_view given, kept;
};

TEST(MessageId, OfAMachinesNameGetsTheAuthorsDomain) {
    constexpr std::array kCases{
        Case{"<2khVB2SALPy@web1.localdomain>", "<2khVB2SALPy@tsukarooohi.com>"},   // PHPMailer, mutt
        Case{"<1@localhost>", "<1@tsukarooohi.com>"},
        Case{"<1@3f2a9c1b7d44>", "<1@tsukarooohi.com>"},                           // a container
        Case{"\r\n <a@b@VPS4711.hoster.net>", "<a@b@tsukarooohi.com>"},
        Case{"<1@tsukarooohi.com>", "<1@tsukarooohi.com>"},
        Case{"<1@news.tsukarooohi.com>", "<1@news.tsukarooohi.com>"},
        Case{"<1@example.org>", "<1@example.org>"},                                // a forwarder's, a list's
        Case{"<1@localhost> (x@y)", "<1@localhost> (x@y)"},                        // nobody writes it; whole as it is
    };
    for (const Case& one : kCases) EXPECT_EQ(stored(std::string("Message-ID: ").append(one.given), true), one.kept) << one.given;
}

TEST(MessageId, OfOthersStaysAsItIs) {
    EXPECT_EQ(stored("Message-ID: <1@web1.localdomain>", false), "<1@web1.localdomain>");
}

}  // namespace
}  // namespace posthorn::intake
