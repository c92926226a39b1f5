// What `posthorn setup` asks, in which order, with which suggestions, and what counts as an answer: a value
// that knows no terminal.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/dns_answers.hpp"
#include "base/endpoint.hpp"
#include "base/result.hpp"
#include "config/config.hpp"

namespace posthorn::setup {

// What this machine shows of itself without asking anybody.
struct Machine {
    std::string name;                  // its own idea of its name, fully qualified or not; may be empty
    std::vector<IpAddress> addresses;  // of its interfaces
    // NAME/fullchain.pem, as certbot names its directories; what the daemon may read is before what is root's alone.
    std::vector<std::string> certificates;
    std::string root_alias;  // who gets root's mail by /etc/aliases, where that is an address; empty: nobody
    std::function<bool(const std::string&)>
        is_file;  // whether there is such a file; relative paths begin at the configuration

    [[nodiscard]] std::vector<IpAddress> public_addresses() const;
};

enum class Topic : std::uint8_t { hostname, addresses, domains, senders, certificate, key, root_mail };
inline constexpr std::array<Topic, 7> kTopics = {Topic::hostname, Topic::addresses,   Topic::domains,
                                                 Topic::senders,  Topic::certificate, Topic::key,
                                                 Topic::root_mail};

struct Question {
    Topic topic = Topic::hostname;
    std::string words;       // what is asked, and why, for people who never heard of SPF
    std::string prompt;      // "Host name"
    std::string suggestion;  // what an empty answer means; empty: there must be an answer
};

struct Answers {
    std::string hostname;
    std::vector<IpAddress> addresses;  // public ones that mail leaves from; empty: not known
    std::vector<std::string> domains;  // A-labels
    bool users = false;                // people and programs elsewhere log in, too
    std::string certificate_file, key_file;
    bool self_signed = false;        // for tests
    bool certificate_later = false;  // users are wanted, but there is no certificate yet
    std::string root_mail;           // empty: nobody is named
};

// Asks in the order of Topic; what was told before (by flags) is not asked. Pure: DNS is an argument, files
// are a function.
class Interview {
public:
    // present: what is configured already; its values are the suggestions. Without hostname: nothing is.
    Interview(Machine machine, const config::Config& present);

    // What DNS should be asked for the sake of the next question's suggestion and of remarks(); nothing: all
    // that helps is known.
    [[nodiscard]] std::vector<auth::DnsQuestion> wanted(const auth::DnsAnswers& known) const;
    // Nothing: all is answered.
    [[nodiscard]] std::optional<Question> next(const auth::DnsAnswers& known) const;
    // Error: why this is no answer; then the same question comes again. Empty text is none.
    [[nodiscard]] Result<void> answer(Topic topic, std::string_view text);
    // What the operator should know of an answer that he gave, though it was taken.
    [[nodiscard]] std::vector<std::string> remarks(Topic topic, const auth::DnsAnswers& known) const;

    [[nodiscard]] bool answered(Topic topic) const {
        return (answered_ & (1U << static_cast<unsigned>(topic))) != 0;
    }
    [[nodiscard]] const Answers& answers() const { return answers_; }

private:
    [[nodiscard]] bool needed(Topic topic) const;
    [[nodiscard]] std::string suggest_hostname(const auth::DnsAnswers& known) const;
    [[nodiscard]] std::string suggest_addresses(const auth::DnsAnswers& known) const;
    [[nodiscard]] std::string suggest_certificate() const;
    [[nodiscard]] Result<void> take_hostname(std::string_view text);
    [[nodiscard]] Result<void> take_addresses(std::string_view text);
    [[nodiscard]] Result<void> take_domains(std::string_view text);
    [[nodiscard]] Result<void> take_senders(std::string_view text);
    [[nodiscard]] Result<void> take_certificate(std::string_view text);
    [[nodiscard]] Result<void> take_key(std::string_view text);
    [[nodiscard]] Result<void> take_root_mail(std::string_view text);
    [[nodiscard]] std::vector<IpAddress> addresses_of_hostname(const auth::DnsAnswers& known) const;

    Machine machine_;
    config::Config present_;
    Answers answers_;
    std::uint32_t answered_ = 0;  // bits of Topic
};

}  // namespace posthorn::setup
