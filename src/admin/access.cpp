// Tokens before cookies before nothing; and who asks for another host, or from another site's page, gets nothing at all.
#include "admin/access.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/endpoint.hpp"
#include "base/text.hpp"

namespace posthorn::admin {
namespace {

constexpr std::string_view kCookie = "posthorn_session";
constexpr Duration kSlowed = std::chrono::milliseconds(300);

// Digests, so that lengths may differ and the time tells nothing of where tokens do.
bool same(std::string_view given, std::string_view wanted) {
    return auth::equal_secret(auth::sha256_of(given), auth::sha256_of(wanted)) && !wanted.empty();
}

// "example.com" of "example.com:2580", "::1" of "[::1]:2580".
std::string_view host_of(std::string_view authority) {
    if (authority.starts_with('[')) {
        const auto end = authority.find(']');
        return end == std::string_view::npos ? std::string_view() : authority.substr(1, end - 1);
    }
    return authority.substr(0, authority.find(':'));
}

// The host and port of an Origin, "https://mail.example.com"; empty where it is none ("null").
std::string_view authority_of(std::string_view origin) {
    const auto scheme = origin.find("://");
    return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

bool changes(const Request& request) { return request.method != "GET" && request.method != "HEAD"; }

}  // namespace

bool is_relayed(const Request& request) {
    // Fetch Metadata and Origin are what browsers add; the others are what proxies do (RFC 7239, RFC 9110 s7.6.3).
    static constexpr std::array kSigns = {"origin",          "sec-fetch-site",  "sec-fetch-mode", "cookie",          "forwarded", "x-forwarded-for",
                                          "x-forwarded-proto", "x-forwarded-host", "x-real-ip",      "via"};
    return !request.by_socket || std::any_of(kSigns.begin(), kSigns.end(), [&](const char* name) { return request.fields.contains(name); });
}

std::string_view cookie_of(std::string_view field, std::string_view name) {
    while (!field.empty()) {
        std::string_view pair = text::trim(text::take_field(field, ';'));
        if (text::take_field(pair, '=') == name) return pair;
    }
    return {};
}

void Access::use(AccessRules rules) {
    if (rules.token != rules_.token) ++token_issue_;
    if (rules.read_only_token != rules_.read_only_token) ++read_only_issue_;
    if (rules.token != rules_.token || !rules.dashboard) sessions_.end_all(Rights::all);
    if (rules.read_only_token != rules_.read_only_token || !rules.dashboard) sessions_.end_all(Rights::read);
    rules_ = std::move(rules);
}

Rights Access::rights_of(std::string_view token) const {
    const bool all = same(token, rules_.token), read = same(token, rules_.read_only_token);
    return all ? Rights::all : read ? Rights::read : Rights::none;
}

Answer Access::wrong_token() {
    ++wrong_tokens_;
    Answer answer = failure(401, "this token opens nothing here; it stands in the file that [admin] token_file or read_only_token_file names");
    answer.fields.emplace_back("WWW-Authenticate", "Bearer error=\"invalid_token\"");  // RFC 6750 s3.1
    answer.delay = kSlowed;
    return answer;
}

bool Access::is_our_host(std::string_view authority) const {
    const std::string_view host = host_of(authority);
    // An address is none that somebody else's DNS could lead to us.
    if (IpAddress::parse(host) || text::iequals(host, "localhost") || text::iequals(host, rules_.hostname)) return !host.empty();
    return std::any_of(rules_.names.begin(), rules_.names.end(), [host](const std::string& name) { return text::iequals(name, host); });
}

std::string Access::fault_of_change(const Request& request) const {
    if (request.field("x-posthorn-request") != "1")
        return "a change without a token in Authorization needs the field X-Posthorn-Request: 1, which no page of another site can send";
    // What the browser says of the page is beyond any page's reach (W3C Fetch Metadata); only where it says nothing Origin stands in.
    if (const std::string_view site = request.field("sec-fetch-site"); !site.empty()) {
        if (site == "same-origin") return {};
        return fmt::format("the page that asks for this is not ours (Sec-Fetch-Site: {})", text::safe_for_log(site, 40));
    }
    const std::string_view origin = authority_of(request.field("origin"));
    if (origin.empty()) return "a change by a browser needs the field Sec-Fetch-Site or Origin, by which it says whose page it shows";
    // Behind a web server Host may be the server's own; the names that are ours are in the settings, and of localhost every port is another's.
    const bool named = std::any_of(rules_.names.begin(), rules_.names.end(), [&](const std::string& name) { return text::iequals(name, origin); });
    if (named || text::iequals(origin, request.field("host"))) return {};
    return fmt::format("the page that asks for this is not ours (Origin: {})", text::safe_for_log(request.field("origin"), 100));
}

Judgement Access::refuse(unsigned status, std::string_view words) {
    ++foreign_requests_;
    Judgement judged;
    judged.refusal = failure(status, words);
    return judged;
}

std::optional<Answer> Access::refuse_login(const Request& request) {
    if (!is_relayed(request) || request.fields.contains("authorization")) return std::nullopt;   // which no page can send
    const std::string fault = fault_of_change(request);
    if (fault.empty()) return std::nullopt;
    return std::move(refuse(403, fault).refusal);
}

Judgement Access::judge(const Request& request, SteadyTime now) {
    Judgement judged;
    judged.visitor = request.visitor;
    judged.credential.kind = Credential::Kind::uid;
    const bool relayed = is_relayed(request);
    const bool by_token = request.fields.contains("authorization");
    // Who asks by uid names the socket's host as he likes; but none that stands in DNS, by which a page comes in through something that only
    // passes octets on.
    const std::string_view host = request.field("host");
    if ((relayed || host.find('.') != std::string_view::npos) && !is_our_host(host)) {
        return refuse(421, fmt::format("this is asked of the host \"{}\", which is none of ours: by a name of its own a page of the Internet could "
                                       "reach in here; where the name is right, write it into [admin] names", text::safe_for_log(host, 100)));
    }
    if (!relayed && !by_token) return judged;

    judged.visitor.rights = Rights::none;
    judged.credential.kind = Credential::Kind::none;
    if (by_token) {
        std::string_view given = request.field("authorization");
        if (!text::iequals(text::take_field(given, ' '), "Bearer")) {
            judged.refusal = wrong_token();
            return judged;
        }
        const Rights rights = rights_of(text::trim(given));
        if (rights == Rights::none) {
            judged.refusal = wrong_token();
            return judged;
        }
        judged.visitor.rights = within(rights);
        judged.credential.kind = Credential::Kind::token;
        judged.credential.token = rights;
        judged.credential.issue = rights == Rights::all ? token_issue_ : read_only_issue_;
        return judged;
    }
    const std::string_view id = cookie_of(request.field("cookie"), kCookie);
    const auto rights = id.empty() ? std::nullopt : sessions_.find(id, now);
    if (!rights) return judged;
    if (changes(request)) {
        if (const std::string fault = fault_of_change(request); !fault.empty()) return refuse(403, fault);
    }
    judged.visitor.rights = within(*rights);
    judged.credential.kind = Credential::Kind::session;
    judged.credential.session = std::string(id);
    return judged;
}

bool Access::holds(const Credential& credential, SteadyTime now) const {
    switch (credential.kind) {
        case Credential::Kind::session:
            return sessions_.lives(credential.session, now);
        case Credential::Kind::token:
            return credential.issue == (credential.token == Rights::all ? token_issue_ : read_only_issue_);
        case Credential::Kind::none:
        case Credential::Kind::uid:
            break;
    }
    return true;
}

std::optional<std::string> Access::log_in(std::string_view token, const Request& request, SteadyTime now) {
    const auto id = sessions_.begin(rights_of(token), now);
    if (!id) return std::nullopt;
    const bool secure = request.near && request.field("x-forwarded-proto") == "https";
    return fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{}", kCookie, *id, BrowserSessions::kWhole / std::chrono::seconds(1),
                       secure ? "; Secure" : "");
}

std::string Access::log_out(const Request& request) {
    if (const std::string_view id = cookie_of(request.field("cookie"), kCookie); !id.empty()) sessions_.end(id);
    return std::string(kCookie) + "=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0";
}

}  // namespace posthorn::admin
