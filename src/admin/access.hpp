// Who may what where the kernel's word is not enough: over TCP, and by a web server or a browser over the socket. Tokens, sessions of
// browsers, and the rules that keep pages of other sites out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/browser_sessions.hpp"
#include "admin/http.hpp"
#include "base/clock.hpp"

namespace posthorn::admin {

// What a reload may change of it, the tokens' files read.
struct AccessRules {
    std::string hostname;             // ours
    std::vector<std::string> names;   // admin.names
    std::string token, read_only_token;   // empty: none
    bool read_only = false;
    bool dashboard = true;            // browsers may log in

    [[nodiscard]] bool has_token() const { return !token.empty() || !read_only_token.empty(); }
};

// What of a request the rights came from: a stream lasts as long as that.
struct Credential {
    enum class Kind : std::uint8_t { none, uid, token, session };
    Kind kind = Kind::none;
    Rights token = Rights::none;   // which of the two
    std::uint64_t issue = 0;       // a reload may put another in its place
    std::string session;           // its id
};

struct Judgement {
    Visitor visitor;
    Credential credential;
    std::optional<Answer> refusal;   // then nothing is done but to give this answer
};

// One for a server. Pure: time is an argument.
class Access {
public:
    explicit Access(AccessRules rules) : rules_(std::move(rules)) {}

    // Sessions that began with a token that is another one now, or none, end.
    void use(AccessRules rules);
    // request.visitor holds what the socket gives: rights by uid, or Rights::none over TCP.
    [[nodiscard]] Judgement judge(const Request& request, SteadyTime now);
    // Whether what gave the rights still does.
    [[nodiscard]] bool holds(const Credential& credential, SteadyTime now) const;

    // The rights that this token gives; Rights::none: it is wrong. Takes the same time for all tokens of a length.
    [[nodiscard]] Rights rights_of(std::string_view token) const;
    // What a wrong token is answered: later than a right one.
    [[nodiscard]] Answer wrong_token();
    // Why a browser may not log in with this request: another site's page made it.
    [[nodiscard]] std::optional<Answer> refuse_login(const Request& request);
    // Begins a session: the value for Set-Cookie. Nothing where the system has no randomness. REQUIRES: rights_of(token) is not none.
    [[nodiscard]] std::optional<std::string> log_in(std::string_view token, const Request& request, SteadyTime now);
    // Ends that of the request's cookie: the value for Set-Cookie that makes the browser forget it.
    [[nodiscard]] std::string log_out(const Request& request);

    [[nodiscard]] const AccessRules& rules() const { return rules_; }
    [[nodiscard]] std::uint64_t wrong_tokens() const { return wrong_tokens_; }
    [[nodiscard]] std::uint64_t foreign_requests() const { return foreign_requests_; }   // of other sites' pages, or for other hosts
    [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }

private:
    // "mail.example.com:2580", the field Host: an IP address, localhost, our hostname or one of admin.names.
    [[nodiscard]] bool is_our_host(std::string_view authority) const;
    // Why a change that a browser may have made is refused; empty: it comes from our own page.
    [[nodiscard]] std::string fault_of_change(const Request& request) const;
    [[nodiscard]] Rights within(Rights rights) const { return rules_.read_only && rights == Rights::all ? Rights::read : rights; }
    Judgement refuse(unsigned status, std::string_view words);

    AccessRules rules_;
    BrowserSessions sessions_;
    std::uint64_t token_issue_ = 0, read_only_issue_ = 0;
    std::uint64_t wrong_tokens_ = 0;
    std::uint64_t foreign_requests_ = 0;
};

// Whether a browser or a proxy had a hand in it: then the uid of the socket's peer says nothing of who asks.
[[nodiscard]] bool is_relayed(const Request& request);
// The value of a cookie of the field Cookie (RFC 6265 s4.2.1); empty: there is none.
[[nodiscard]] std::string_view cookie_of(std::string_view field, std::string_view name);

}  // namespace posthorn::admin
