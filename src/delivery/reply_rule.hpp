// One rule about replies: which it is about, and what they mean.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "delivery/classify.hpp"
#include "delivery/judgement.hpp"
#include "smtp/protocol/reply.hpp"
#include "smtp/protocol/stage.hpp"

namespace re2 {
class RE2;
}

namespace posthorn::delivery {

// "421", "4xx", "50x".
struct CodePattern {
    std::uint16_t from = 0, to = 0;
    [[nodiscard]] bool fits(std::uint16_t code) const { return from <= code && code <= to; }
    [[nodiscard]] static std::optional<CodePattern> parse(std::string_view text);
};

// "5.7.26", "x.7.26", "4.7.500-699".
struct EnhancedPattern {
    std::optional<std::uint16_t> status, subject;  // nothing: any
    std::uint16_t from = 0, to = 999;
    [[nodiscard]] bool fits(const smtp::protocol::EnhancedCode& code) const {
        return code && (!status || *status == code.status) && (!subject || *subject == code.subject) &&
               from <= code.detail && code.detail <= to;
    }
    [[nodiscard]] static std::optional<EnhancedPattern> parse(std::string_view text);
};

// All conditions that are given must hold; of a list any one.
struct ReplyRule {
    std::string name;                    // "google/unauthenticated"
    std::string where;                   // "providers.toml:120:1"
    std::vector<std::string> providers;  // names or families; empty: for all ("default/...")
    std::vector<smtp::protocol::Stage> stages;
    std::vector<CodePattern> codes;
    std::vector<EnhancedPattern> enhanced;
    std::shared_ptr<const re2::RE2> text;  // on telling_words(); null: any
    std::string pattern;                   // as it was written
    std::optional<bool> tls, ipv6;         // of the session
    bool after_accepted = false;           // only after other recipients of the transaction were taken
    bool foreign_domain = false;           // only where the text names a domain that is not ours
    std::uint32_t first_attempts = 0;      // only in so many first attempts of a recipient; 0: in all

    // Class and consequences; result, scope and what is read from the text are put in by classify().
    Judgement meant;
    bool retry = false;  // a 5xx that means "later" (unless strict_5xx)
    std::vector<std::string>
        examples;  // replies as on the wire, lines parted by "\n": each must match this rule

    // Whether all but the text holds. `family`: of facts.provider, or empty.
    [[nodiscard]] bool applies(const ReplyFacts& facts, std::string_view family) const;
};

// "end-of-data": a stage as rules and the command line have it.
[[nodiscard]] std::string stage_word(smtp::protocol::Stage stage);

// "550-5.7.26 a\n550 5.7.26 b" by the parser of replies. Nothing: that is none.
[[nodiscard]] std::optional<smtp::protocol::Reply> reply_from(std::string_view lines);

// The facts under which an example of the rule is looked at: those it asks for, and otherwise nothing
// special. The own domains are all domains, or none where the rule is about foreign ones.
[[nodiscard]] ReplyFacts facts_for_example(const ReplyRule& rule, const smtp::protocol::Reply& reply);

}  // namespace posthorn::delivery
