// HTTP/1.1 by Boost.Beast's parser: octets to requests, answers to octets.
#include "admin/http.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.hpp"

namespace posthorn::admin {

namespace http = boost::beast::http;

namespace {

std::string decode(std::string_view text, bool plus_is_blank) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && text::hex_value(text[i + 1]) >= 0 &&
            text::hex_value(text[i + 2]) >= 0) {
            out += static_cast<char>(text::hex_value(text[i + 1]) * 16 + text::hex_value(text[i + 2]));
            i += 2;
        } else {
            out += plus_is_blank && text[i] == '+' ? ' ' : text[i];
        }
    }
    return out;
}

}  // namespace

Answer failure(unsigned status, std::string_view what) {
    boost::json::object body;
    body["error"] = what;
    Answer answer;
    answer.status = status;
    answer.body = boost::json::serialize(body);
    return answer;
}

Answer plain_text(unsigned status, std::string_view words) {
    Answer answer;
    answer.status = status;
    answer.body = words;
    answer.content_type = "text/plain; charset=utf-8";
    return answer;
}

std::string_view to_string(Rights rights) {
    switch (rights) {
        case Rights::own:
            return "own";
        case Rights::read:
            return "read";
        case Rights::all:
            return "all";
        case Rights::none:
            break;
    }
    return "none";
}

std::string_view Request::field(const std::string& name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string_view() : std::string_view(found->second);
}

struct RequestReader::Parser {
    http::request_parser<http::string_body> parser;
};

RequestReader::RequestReader(std::size_t header_limit, std::size_t body_limit)
    : header_limit_(header_limit), body_limit_(body_limit) {
    begin();
}

RequestReader::~RequestReader() = default;

void RequestReader::begin() {
    parser_ = std::make_unique<Parser>();
    parser_->parser.header_limit(static_cast<std::uint32_t>(header_limit_));
    parser_->parser.body_limit(body_limit_);
    parser_->parser.eager(true);
}

RequestReader::Progress RequestReader::feed(std::string& buffer) {
    auto& parser = parser_->parser;
    while (!buffer.empty() && !parser.is_done()) {
        boost::system::error_code ec;
        const std::size_t taken = parser.put(boost::asio::const_buffer(buffer.data(), buffer.size()), ec);
        buffer.erase(0, taken);
        if (ec == http::error::need_more) {
            if (taken == 0) {
                break;
            }
            continue;
        }
        if (ec) {
            const unsigned status = ec == http::error::header_limit ? 431
                                    : ec == http::error::body_limit ? 413
                                                                    : 400;
            refusal_ = failure(status, ec.message());
            return Progress::refused;
        }
    }
    // Under another coding the parser sees no body at all, and what whoever passed it on took for one would be the next request (RFC 9112 s6.3).
    if (const auto coding = parser.get().find(http::field::transfer_encoding);
        parser.is_header_done() && coding != parser.get().end() && !boost::beast::iequals(coding->value(), "chunked")) {
        refusal_ = failure(400, "no Transfer-Encoding but chunked is understood here");
        return Progress::refused;
    }
    if (parser.is_done()) return Progress::complete;
    // The parser has no bound for what stands around a body's chunks (RFC 9112 s7.1.1, s7.1.2): an endless one would only be kept.
    if (buffer.size() > header_limit_) {
        refusal_ = failure(431, "what stands around the body's chunks is too large");
        return Progress::refused;
    }
    return Progress::incomplete;
}

Request RequestReader::take() {
    const auto& message = parser_->parser.get();
    Request request;
    request.method = std::string(message.method_string());
    request.keep_alive = message.keep_alive();
    request.chunks = message.version() >= 11;
    for (const auto& one : message) {
        const auto written = one.name_string();
        const auto [field, fresh] = request.fields.try_emplace(text::to_lower(std::string_view(written.data(), written.size())));
        if (!fresh) field->second += ", ";
        field->second.append(one.value().data(), one.value().size());
    }
    request.body = message.body();
    std::string_view target(message.target().data(), message.target().size());
    std::string_view rest = target.substr(0, target.find('#'));
    request.path = decode(text::take_field(rest, '?'), false);
    while (!rest.empty()) {
        std::string_view pair = text::take_field(rest, '&');
        const std::string name = decode(text::take_field(pair, '='), true);
        request.query[name] = decode(pair, true);
    }
    begin();
    return request;
}

namespace {

// Of every answer: a page that something of mail's got into, or another site's page with ours in a frame, has nothing to hold on to.
constexpr std::string_view kSafety =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\nReferrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\nCross-Origin-Opener-Policy: same-origin\r\n";

}  // namespace

std::string to_wire(const Answer& answer, TimePoint now, bool keep_alive, bool chunks, bool head) {
    const auto reason = http::obsolete_reason(static_cast<http::status>(answer.status));
    const bool has_body = answer.status != 204 && answer.status != 304;  // RFC 9110 s15.3.5, s15.4.5
    std::string out = fmt::format("HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", answer.status,
                                  std::string_view(reason.data(), reason.size()), fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
    if (has_body) out += fmt::format("Content-Type: {}\r\n", answer.content_type);
    out += fmt::format("Cache-Control: {}\r\n{}", answer.cache_control, kSafety);
    if (answer.more) {
        if (chunks) out += "Transfer-Encoding: chunked\r\n";
    } else if (has_body) {
        out += fmt::format("Content-Length: {}\r\n", answer.body.size() + (answer.exact ? 0 : 1));
    }
    if (!answer.allow.empty()) out += "Allow: " + answer.allow + "\r\n";
    for (const auto& [name, value] : answer.fields) out += fmt::format("{}: {}\r\n", name, value);
    out += keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
    if (head || !has_body) return out;
    if (answer.more) return out + piece_to_wire(answer.body, false, chunks);
    return out + answer.body + (answer.exact ? "" : "\n");
}

std::string piece_to_wire(std::string_view piece, bool last, bool chunks) {
    if (!chunks) return std::string(piece);
    std::string out;  // an empty chunk would be the end
    if (!piece.empty()) out = fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
    return last ? out + "0\r\n\r\n" : out;
}

}  // namespace posthorn::admin
