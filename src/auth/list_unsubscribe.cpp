// The List-Unsubscribe fields (RFC 2369, RFC 8058) from a stream's templates.
#include <fmt/format.h>

#include "auth/unsubscribe.hpp"
#include "base/text.hpp"

namespace posthorn::auth {
namespace {

constexpr std::size_t kMaxUri =
    500;  // with {list} filled in; a token of 443 characters more keeps the line below 998
constexpr std::size_t kMaxLocalPart = 64;  // RFC 5321 s4.5.3.1.1
constexpr std::string_view kToken = "{token}", kList = "{list}", kMailto = "mailto:";

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (text::is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~')
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
        text.replace(at, what.size(), with);
}

std::string filled(std::string uri, const StreamOptions& stream, std::string_view token) {
    replace_all(uri, kList, percent_encoded(stream.name));
    replace_all(uri, kToken, token);
    return uri;
}

// RFC 2369 s2: no blanks inside the brackets, since relays fold there and receivers differ about it.
void check_uri(const std::string& uri, std::string_view key, const StreamOptions& stream,
               std::vector<std::string>& wrong) {
    const auto say = [&](std::string_view what) { wrong.push_back(fmt::format("{}: {}", key, what)); };
    if (uri.find(kToken) == std::string::npos)
        say("{token} is missing: without it nobody could tell who unsubscribes (RFC 8058 s3.1)");
    for (const char c : uri) {
        if (!text::is_graphic(c) || c == '<' || c == '>' || c == '"') {
            say("blanks, <, >, \" and octets outside ASCII must be percent-encoded");
            break;
        }
    }
    std::string rest = filled(uri, stream, "");
    if (rest.size() > kMaxUri) say(fmt::format("longer than {} octets", kMaxUri));
    if (rest.find_first_of("{}") != std::string::npos) say("the only variables are {token} and {list}");
}

std::string_view without_mailto(std::string_view uri) {
    return text::istarts_with(uri, kMailto) ? uri.substr(kMailto.size()) : uri;
}

}  // namespace

std::vector<std::string> check_templates(const StreamOptions& stream) {
    std::vector<std::string> wrong;
    constexpr std::string_view kHttps = "https://";
    const auto& url = stream.unsubscribe_url;
    if (!text::istarts_with(url, kHttps) || url.size() == kHttps.size() || url[kHttps.size()] == '/')
        wrong.push_back(
            "unsubscribe_url: must be an https:// address (RFC 8058 s3.1), e.g. "
            "https://www.example.com/unsubscribe/{token}");
    check_uri(url, "unsubscribe_url", stream, wrong);
    if (!stream.unsubscribe_mailto.empty()) {
        const auto address = without_mailto(stream.unsubscribe_mailto);
        const auto at = address.substr(0, address.find('?')).find('@');
        if (at == std::string_view::npos || at == 0)
            wrong.push_back("unsubscribe_mailto: must be an address, e.g. unsubscribe+{token}@example.com");
        check_uri(stream.unsubscribe_mailto, "unsubscribe_mailto", stream, wrong);
    }
    return wrong;
}

std::string render_list_unsubscribe(const StreamOptions& stream, std::string_view token) {
    std::string field = fmt::format("List-Unsubscribe: <{}>", filled(stream.unsubscribe_url, stream, token));
    if (!stream.unsubscribe_mailto.empty()) {
        const auto address = filled(std::string(without_mailto(stream.unsubscribe_mailto)), stream, token);
        if (address.find('@') <= kMaxLocalPart) field += fmt::format(",\r\n <{}{}>", kMailto, address);
    }
    field += "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
    return field;
}

}  // namespace posthorn::auth
