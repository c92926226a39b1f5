// Boost.JSON and zlib do the writing; what stands where is RFC 8460's.
#include "delivery/tls_report_text.hpp"

#include <zlib.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "auth/crypto.hpp"
#include "auth/dkim/canonical.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/body_scanner.hpp"
#include "mail/date.hpp"
#include "mail/domain.hpp"
#include "mail/message_id.hpp"

namespace posthorn::delivery {
namespace {

namespace json = boost::json;

constexpr std::string_view kReportRecordStart = "v=TLSRPTv1";
constexpr std::size_t kBase64Line = 76;        // RFC 2045 s6.8

bool is_report_record(std::string_view text) {
    return text.starts_with(kReportRecordStart) && text::trim_left(text.substr(kReportRecordStart.size())).starts_with(';');
}

// RFC 3986 s2.1; nothing where a % is not followed by two digits, or hides a control character.
std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            if (i + 2 >= text.size()) return std::nullopt;
            const int high = text::hex_value(text[i + 1]), low = text::hex_value(text[i + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            c = static_cast<char>(high * 16 + low);
            i += 2;
        }
        if (text::is_control(c)) return std::nullopt;
        out += c;
    }
    return out;
}

std::optional<ReportAddress> parse_mailto(std::string_view uri) {
    const std::string_view path = uri.substr(7, uri.find_first_of("?#") == std::string_view::npos ? std::string_view::npos
                                                                                                   : uri.find_first_of("?#") - 7);
    const std::optional<std::string> text = percent_decoded(path);
    if (!text) return std::nullopt;
    const auto mailbox = mail::parse_address(*text, false);
    if (!mailbox || mailbox->domain.empty()) return std::nullopt;
    ReportAddress address;
    address.uri = std::string(uri);
    address.mailbox = mailbox->to_string();
    return address;
}

std::optional<ReportAddress> parse_https(std::string_view uri) {
    std::string_view rest = uri.substr(8);
    rest = rest.substr(0, rest.find('#'));
    const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    std::string_view authority = rest.substr(0, end);
    ReportAddress address;
    address.uri = std::string(uri);
    address.target = std::string(rest.substr(end));
    if (!address.target.starts_with('/')) address.target.insert(0, 1, '/');
    if (!std::all_of(address.target.begin(), address.target.end(), text::is_graphic)) return std::nullopt;
    if (const std::size_t colon = authority.rfind(':'); colon != std::string_view::npos) {
        const auto port = text::parse_unsigned(authority.substr(colon + 1), 65535);
        if (!port || *port == 0) return std::nullopt;
        address.port = static_cast<std::uint16_t>(*port);
        authority = authority.substr(0, colon);
    }
    address.host = text::to_lower(authority);
    if (!mail::is_fqdn(address.host)) return std::nullopt;
    return address;
}

std::string iso_time(Day day, bool end) { return to_string(day) + (end ? "T23:59:59Z" : "T00:00:00Z"); }

json::array strings(const std::vector<std::string>& all) {
    json::array array;
    for (const std::string& one : all) array.emplace_back(one);
    return array;
}

void put_unless_empty(json::object& object, std::string_view name, const std::string& value) {
    if (!value.empty()) object[name] = value;
}

// One element of "policies", as reports and our own memory have it.
json::object policy_json(const TlsPolicyCount& count, const std::string& domain) {
    json::object policy;
    policy["policy-type"] = to_string(count.type);
    if (!count.strings.empty()) policy["policy-string"] = strings(count.strings);
    policy["policy-domain"] = domain;
    if (!count.mx_patterns.empty()) policy["mx-host"] = strings(count.mx_patterns);
    json::object summary;
    summary["total-successful-session-count"] = count.successes;
    summary["total-failure-session-count"] = count.failures;
    json::object all;
    all["policy"] = std::move(policy);
    all["summary"] = std::move(summary);
    json::array details;
    for (const auto& [failure, sessions] : count.details) {
        json::object detail;
        detail["result-type"] = to_string(failure.result);
        put_unless_empty(detail, "sending-mta-ip", failure.sending_address);
        put_unless_empty(detail, "receiving-mx-hostname", failure.receiving_mx);
        put_unless_empty(detail, "receiving-mx-helo", failure.receiving_helo);
        put_unless_empty(detail, "receiving-ip", failure.receiving_address);
        detail["failed-session-count"] = sessions;
        put_unless_empty(detail, "failure-reason-code", failure.detail);
        details.push_back(std::move(detail));
    }
    if (!details.empty()) all["failure-details"] = std::move(details);
    return all;
}

json::array policies_json(const TlsDay& day) {
    json::array all;
    for (const TlsPolicyCount& count : day.policies) all.push_back(policy_json(count, day.domain));
    return all;
}

std::string string_at(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::uint64_t count_at(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    if (value == nullptr) return 0;
    if (value->is_uint64()) return value->as_uint64();
    return value->is_int64() && value->as_int64() > 0 ? static_cast<std::uint64_t>(value->as_int64()) : 0;
}

std::vector<std::string> strings_at(const json::object& object, std::string_view name) {
    std::vector<std::string> all;
    const json::value* value = object.if_contains(name);
    if (value == nullptr || !value->is_array()) return all;
    for (const json::value& one : value->as_array())
        if (one.is_string()) all.emplace_back(one.as_string());
    return all;
}

const json::object* object_member(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value != nullptr && value->is_object() ? &value->as_object() : nullptr;
}

std::optional<TlsPolicyCount> policy_of(const json::value& value) {
    if (!value.is_object()) return std::nullopt;
    const json::object* policy = object_member(value.as_object(), "policy");
    const json::object* summary = object_member(value.as_object(), "summary");
    if (policy == nullptr || summary == nullptr) return std::nullopt;
    const auto type = parse_tls_policy_type(string_at(*policy, "policy-type"));
    if (!type) return std::nullopt;
    TlsPolicyCount count;
    count.type = *type;
    count.strings = strings_at(*policy, "policy-string");
    count.mx_patterns = strings_at(*policy, "mx-host");
    count.successes = count_at(*summary, "total-successful-session-count");
    count.failures = count_at(*summary, "total-failure-session-count");
    const json::value* details = value.as_object().if_contains("failure-details");
    if (details == nullptr || !details->is_array()) return count;
    for (const json::value& one : details->as_array()) {
        if (!one.is_object()) return std::nullopt;
        const json::object& detail = one.as_object();
        const auto result = parse_tls_result_type(string_at(detail, "result-type"));
        if (!result) return std::nullopt;
        TlsFailure failure;
        failure.result = *result;
        failure.sending_address = string_at(detail, "sending-mta-ip");
        failure.receiving_mx = string_at(detail, "receiving-mx-hostname");
        failure.receiving_helo = string_at(detail, "receiving-mx-helo");
        failure.receiving_address = string_at(detail, "receiving-ip");
        failure.detail = string_at(detail, "failure-reason-code");
        count.details[std::move(failure)] += count_at(detail, "failed-session-count");
    }
    return count;
}

std::string base64_lines(std::string_view octets) {
    const std::string coded = base64_encode(octets);
    std::string out;
    for (std::size_t i = 0; i < coded.size(); i += kBase64Line) out += coded.substr(i, kBase64Line) + "\r\n";
    return out;
}

}  // namespace

std::string ReportAddress::receiver() const { return by_mail() ? mail::destination_of(mailbox) : host; }

ReportRecord parse_report_record(const std::vector<std::string>& texts) {
    std::vector<std::string_view> records;
    for (const std::string& one : texts)
        if (is_report_record(one)) records.push_back(one);
    ReportRecord answer;
    if (records.empty()) return answer;
    if (records.size() > 1) {
        answer.why = "it has " + std::to_string(records.size()) + " TLSRPT TXT records where one is allowed";
        return answer;
    }
    std::string_view rest = records.front().substr(kReportRecordStart.size());
    text::take_field(rest, ';');
    while (!rest.empty()) {
        const std::string_view field = text::trim(text::take_field(rest, ';'));
        if (!field.starts_with("rua=")) continue;
        std::string_view uris = field.substr(4);
        while (!uris.empty() && answer.addresses.size() < kMaxReportAddresses) {
            const std::string_view uri = text::trim(text::take_field(uris, ','));
            std::optional<ReportAddress> address;
            // RFC 3986 s2: visible ASCII; it goes to the log and, as a mark, to the disk.
            if (uri.size() > kMaxReportUri || !std::all_of(uri.begin(), uri.end(), text::is_graphic)) continue;
            if (text::istarts_with(uri, "mailto:")) address = parse_mailto(uri);
            else if (text::istarts_with(uri, "https://")) address = parse_https(uri);
            // Twice to one place is once, however often the record says it.
            const auto same = [&](const ReportAddress& known) {
                return known.mailbox == address->mailbox && known.host == address->host && known.port == address->port &&
                       known.target == address->target;
            };
            if (address && std::none_of(answer.addresses.begin(), answer.addresses.end(), same))
                answer.addresses.push_back(std::move(*address));
        }
        break;   // of several, the first counts
    }
    if (answer.addresses.empty()) answer.why = "its TLSRPT TXT record names no mailto: or https: address";
    return answer;
}

std::string remembered_form(const TlsDay& day) {
    json::object form;
    form["day"] = to_string(day.day);
    form["domain"] = day.domain;
    form["policies"] = policies_json(day);
    return json::serialize(form);
}

Result<TlsDay> from_remembered_day(std::string_view text) {
    const Error strange{"these are no TLS results as Posthorn remembers them"};
    boost::system::error_code failed;
    const json::value value = json::parse(json::string_view(text.data(), text.size()), failed);
    if (failed || !value.is_object()) return strange;
    const auto day = parse_day(string_at(value.as_object(), "day"));
    TlsDay read;
    read.domain = string_at(value.as_object(), "domain");
    const json::value* policies = value.as_object().if_contains("policies");
    if (!day || read.domain.empty() || policies == nullptr || !policies->is_array()) return strange;
    read.day = *day;
    for (const json::value& one : policies->as_array()) {
        std::optional<TlsPolicyCount> policy = policy_of(one);
        if (!policy) return strange;
        read.policies.push_back(std::move(*policy));
    }
    return read;
}

std::string report_number(const Reporter& reporter, const TlsDay& day) {
    const auto digest = auth::sha256_of(reporter.hostname + '\n' + to_string(day.day) + '\n' + day.domain);
    return hex_encode(std::span(digest).first(10));
}

std::string report_id(const Reporter& reporter, const TlsDay& day) { return report_number(reporter, day) + '@' + reporter.hostname; }

std::string report_file_name(const Reporter& reporter, const TlsDay& day) {
    const auto begin = std::chrono::duration_cast<std::chrono::seconds>(day.day.time_since_epoch()).count();
    return fmt::format("{}!{}!{}!{}!{}.json.gz", reporter.hostname, day.domain, begin, begin + 86399, report_number(reporter, day));
}

std::string report_json(const Reporter& reporter, const TlsDay& day) {
    json::object range;
    range["start-datetime"] = iso_time(day.day, false);
    range["end-datetime"] = iso_time(day.day, true);
    json::object report;
    report["organization-name"] = reporter.organization;
    report["date-range"] = std::move(range);
    report["contact-info"] = reporter.contact;
    report["report-id"] = report_id(reporter, day);
    report["policies"] = policies_json(day);
    return json::serialize(report);
}

std::string gzipped(std::string_view text) {
    z_stream stream{};
    constexpr int kGzipWindow = 15 + 16;       // zlib's way to ask for RFC 1952's wrapping
    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        throw std::runtime_error("zlib has no memory");
    std::string out(deflateBound(&stream, text.size()) + 32, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int ended = deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    if (ended != Z_STREAM_END) throw std::runtime_error("zlib could not compress the report");
    return out;
}

queue::NewMessage make_report_mail(const Reporter& reporter, const TlsDay& day, const ReportAddress& to, QueueId id, TimePoint now) {
    const std::string boundary = "=_posthorn_tlsrpt_" + id.to_string();
    const std::string file = report_file_name(reporter, day);
    const std::string own_domain = mail::destination_of(reporter.contact);
    auto message = std::make_shared<mail::Message>();
    message->id = id;
    message->accepted_at = now;
    message->expires_at = now + kReportLifetime;
    message->reverse_path = reporter.contact;
    message->source = std::string(kReportSource);
    message->header = fmt::format(
        "From: <{}>\r\nTo: <{}>\r\nDate: {}\r\nMessage-ID: {}\r\n"
        "Subject: Report Domain: {}\r\n Submitter: {}\r\n Report-ID: <{}>\r\n"
        "TLS-Report-Domain: {}\r\nTLS-Report-Submitter: {}\r\nTLS-Required: No\r\nAuto-Submitted: auto-generated\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=\"tlsrpt\";\r\n\tboundary=\"{}\"\r\n",
        reporter.contact, to.mailbox, mail::format_date(now), mail::make_message_id(id, own_domain), day.domain, reporter.hostname,
        report_id(reporter, day), day.domain, reporter.hostname, boundary);
    std::string body = fmt::format(
        "This is a multipart message in MIME format.\r\n\r\n--{0}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        "This is an aggregate TLS report (RFC 8460) from {1}\r\n"
        "about mail to {2} on {3} (UTC): {4} sessions.\r\n"
        "It was asked for by the TXT record of _smtp._tls.{2}.\r\nContact: {5}\r\n"
        "\r\n--{0}\r\nContent-Type: {6}\r\nContent-Transfer-Encoding: base64\r\n"
        "Content-Disposition: attachment;\r\n\tfilename=\"{7}\"\r\n\r\n{8}\r\n--{0}--\r\n",
        boundary, reporter.hostname, day.domain, to_string(day.day), day.sessions(), reporter.contact, kReportMediaType, file,
        base64_lines(gzipped(report_json(reporter, day))));
    mail::BodyScanner scanner;
    scanner.feed(body);
    message->body.facts = scanner.facts();
    message->relaxed_body_hash = auth::dkim::hash_body(body, auth::Canonical::relaxed);
    message->body.bytes = std::make_shared<const std::string>(std::move(body));

    queue::NewMessage added;
    added.message = std::move(message);
    queue::NewRecipient recipient;
    recipient.recipient.address = to.mailbox;
    recipient.recipient.notify = mail::Notify::never;
    recipient.domain = mail::destination_of(to.mailbox);
    recipient.due_at = now;
    added.recipients.push_back(std::move(recipient));
    return added;
}

}  // namespace posthorn::delivery
