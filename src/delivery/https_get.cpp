// Our own stream and certificates below, Boost.Beast's parser above, one deadline for all.
#include "delivery/https_get.hpp"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "delivery/route.hpp"
#include "dns/resolver.hpp"
#include "net/connect.hpp"
#include "net/deadline.hpp"
#include "net/task_group.hpp"
#include "net/tls_context.hpp"

namespace posthorn::delivery {
namespace {

namespace http = boost::beast::http;
using Parser = http::response_parser<http::string_body>;

constexpr std::uint32_t kMaxHeader = 16 * 1024;
constexpr std::size_t kReadSize = 4096;

std::string request_text(const HttpsRequest& request) {
    const bool posts = !request.body.empty();
    std::string text = std::string(posts ? "POST " : "GET ") + request.target + " HTTP/1.1\r\nHost: ";
    text += request.host.find(':') == std::string::npos ? request.host : '[' + request.host + ']';
    if (request.port != (request.tls ? 443 : 80)) text += ':' + std::to_string(request.port);
    text += "\r\nUser-Agent: Posthorn/" POSTHORN_VERSION "\r\nAccept: */*\r\nConnection: close\r\n";
    if (posts) text += "Content-Type: " + request.content_type + "\r\nContent-Length: " + std::to_string(request.body.size()) + "\r\n";
    for (const auto& [name, value] : request.fields) text += name + ": " + value + "\r\n";
    text += "\r\n";
    return text + request.body;
}

// "text/plain" of "Text/Plain; charset=utf-8".
std::string media_type(std::string_view field) { return text::to_lower(text::trim(field.substr(0, field.find(';')))); }

HttpsAnswer answer_of(Parser& parser) {
    HttpsAnswer answer;
    answer.end = HttpsEnd::answered;
    answer.status = parser.get().result_int();
    const auto type = parser.get()[http::field::content_type];
    answer.content_type = media_type(std::string_view(type.data(), type.size()));
    const auto later = parser.get()[http::field::retry_after];
    answer.retry_after = std::string(later.data(), later.size());
    answer.body = std::move(parser.get().body());
    return answer;
}

// Gives the parser what has come; what it did not take stays in `waiting`. An answer: it is over, well or badly.
std::optional<HttpsAnswer> parse_more(Parser& parser, std::string& waiting, bool ended) {
    boost::beast::error_code failed;
    while (!waiting.empty() && !parser.is_done()) {
        const std::size_t taken = parser.put(boost::asio::buffer(waiting), failed);
        waiting.erase(0, taken);
        if (failed == http::error::need_more) {
            failed = {};
            break;
        }
        if (failed || taken == 0) break;
    }
    // The parser asserts that it had some octet before the end.
    if (ended && !parser.got_some()) return HttpsAnswer(HttpsEnd::unreachable, "it closed the connection without an answer");
    if (!failed && ended && !parser.is_done()) parser.put_eof(failed);
    // The parser has no bound for what stands around a body's chunks (RFC 9112 s7.1.1, s7.1.2): an endless one would only be kept.
    const bool endless = !failed && waiting.size() > kMaxHeader;
    if (failed == http::error::body_limit || failed == http::error::header_limit || endless) {
        HttpsAnswer answer(HttpsEnd::too_large, "its answer is too large");
        if (parser.is_header_done()) answer.status = parser.get().result_int();
        return answer;
    }
    if (failed) return HttpsAnswer(HttpsEnd::unreachable, "its answer is no HTTP, or was cut off: " + failed.message());
    if (parser.is_done()) return answer_of(parser);
    if (ended) return HttpsAnswer(HttpsEnd::unreachable, "it closed the connection without an answer");
    return std::nullopt;
}

HttpsAnswer time_is_over(const HttpsRequest& request) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(request.limit).count();
    return HttpsAnswer(HttpsEnd::unreachable, "it did not answer within " + std::to_string(seconds) + " s");
}

// Over one connection that is there already.
net::awaitable<HttpsAnswer> converse(const HttpsRequest& request, net::Stream& stream, net::ClientTls& tls, SteadyTime end,
                                     net::TaskGroup& stop_with) {
    net::Deadline deadline(stream);
    deadline.set(end);
    const auto close = [&stream] { stream.close(); };
    net::TaskGroup::StopCallback on_stop(stop_with, close, nullptr);
    if (request.tls) {
        net::TlsTarget target(request.host, request.port, true);
        const net::HandshakeResult shaken = co_await stream.handshake_client(tls, std::move(target));
        if (deadline.expired()) co_return time_is_over(request);
        if (!shaken.ok()) {
            if (shaken.untrusted) co_return HttpsAnswer(HttpsEnd::untrusted, "its certificate is not valid for it: " + shaken.detail);
            co_return HttpsAnswer(HttpsEnd::unreachable, "the TLS handshake failed: " + shaken.detail);
        }
    }
    const std::string asked = request_text(request);
    const net::IoResult written = co_await stream.write(std::string_view(asked));
    if (deadline.expired()) co_return time_is_over(request);
    if (written.error) co_return HttpsAnswer(HttpsEnd::unreachable, "the connection was lost: " + written.error.message());

    Parser parser;
    parser.eager(true);
    parser.header_limit(kMaxHeader);
    parser.body_limit(request.max_answer);
    std::string waiting;
    const auto room = std::make_unique<std::array<char, kReadSize>>();
    for (;;) {
        const net::IoResult read = co_await stream.read_some(std::span<char>(*room));
        if (deadline.expired()) co_return time_is_over(request);
        waiting.append(room->data(), read.size);
        if (read.error && read.error != net::asio::error::eof)
            co_return HttpsAnswer(HttpsEnd::unreachable, "the connection was lost: " + read.error.message());
        std::optional<HttpsAnswer> answer = parse_more(parser, waiting, read.error == net::asio::error::eof);
        if (answer) co_return std::move(*answer);
    }
}

std::optional<IpAddress> source_of(const std::string& text) {
    const Result<IpAddress> address = IpAddress::parse(text);
    return address ? std::optional(*address) : std::nullopt;
}

// Of a host that needs no look-up; else empty.
dns::AddressAnswer literal_addresses(const std::string& host) {
    dns::AddressAnswer answer;
    answer.status = dns::Status::ok;
    const auto add = [&answer](const IpAddress& address) { (address.is_v4() ? answer.v4 : answer.v6).push_back(address); };
    if (const Result<IpAddress> literal = IpAddress::parse(host)) add(*literal);
    if (host == "localhost")
        for (const char* text : {"127.0.0.1", "::1"}) add(*IpAddress::parse(text));
    return answer;
}

}  // namespace

HttpsRequest::HttpsRequest(std::string name, std::uint16_t number, std::string path, const DeliveryOptions& rules)
    : host(std::move(name)),
      port(number),
      target(std::move(path)),
      allow_private_addresses(rules.allow_private_addresses),
      source_v4(source_of(rules.source_v4)),
      source_v6(source_of(rules.source_v6)) {}

HttpsRequest::HttpsRequest(const WebAddress& address)
    : tls(address.tls), host(address.host), port(address.port), target(address.target), allow_private_addresses(true) {}

net::awaitable<HttpsAnswer> https_request(HttpsRequest request, dns::Resolver& resolver, net::ClientTls& tls,
                                          net::TaskGroup& stop_with) {
    const SteadyTime end = std::chrono::steady_clock::now() + request.limit;
    // localhost is this machine, whatever DNS says (RFC 6761 s6.3).
    dns::AddressAnswer found = literal_addresses(request.host);
    if (found.all().empty()) found = co_await resolver.addresses(request.host);
    if (found.status != dns::Status::ok) {
        const std::string why = found.status == dns::Status::temporary ? "DNS gave no answer about " : "there is no address of ";
        co_return HttpsAnswer(HttpsEnd::unreachable, why + request.host + (found.detail.empty() ? "" : ": " + found.detail));
    }
    DeliveryOptions rules;
    rules.allow_private_addresses = request.allow_private_addresses;
    const AddressChoice choice = usable_addresses(found, rules);
    HttpsAnswer last(HttpsEnd::unreachable, "no address of " + request.host + " can be used: " + choice.refused);
    std::size_t tried = 0;
    for (const IpAddress& address : choice.addresses) {
        if (++tried > kMaxHttpsAddresses || stop_with.stopping()) break;
        if (std::chrono::steady_clock::now() >= end) co_return time_is_over(request);
        const std::optional<IpAddress> source = address.is_v4() ? request.source_v4 : request.source_v6;
        net::ConnectResult connected = co_await net::connect(address, request.port, source, end, &stop_with);
        if (!connected.ok()) {
            last = HttpsAnswer(HttpsEnd::unreachable, "no connection to " + address.to_string() + ": " + connected.error.message());
            continue;
        }
        last = co_await converse(request, *connected.stream, tls, end, stop_with);
        if (last.end != HttpsEnd::unreachable) break;
    }
    co_return last;
}

}  // namespace posthorn::delivery
