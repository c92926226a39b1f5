// The lines of Dovecot's authentication protocol.
#include "auth/dovecot_protocol.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace posthorn::auth {
namespace {

constexpr char kEscape = '\1';

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto special = std::string_view("\0\1\t\r\n", 5).find(c);
        if (special == std::string_view::npos) {
            out += c;
        } else {
            out += kEscape;
            out += "01trl"[special];
        }
    }
    return out;
}

std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != kEscape || at + 1 == text.size()) {
            out += text[at];
            continue;
        }
        const char code = text[++at];
        const auto special = std::string_view("01trl").find(code);
        out += special == std::string_view::npos ? code : "\0\1\t\r\n"[special];
    }
    return out;
}

// RFC 4422 s3.1: 1 to 20 of A-Z, 0-9, hyphen and underscore. Whatever else came would go into our EHLO.
bool is_mechanism(std::string_view name) {
    return !name.empty() && name.size() <= 20 && std::all_of(name.begin(), name.end(), [](char c) {
        return text::is_upper(c) || text::is_digit(c) || c == '-' || c == '_';
    });
}

std::optional<DovecotMechanism> read_mechanism(std::string_view parameters) {
    DovecotMechanism mechanism;
    for (const char c : text::take_field(parameters, '\t')) mechanism.name += text::to_upper(c);
    if (!is_mechanism(mechanism.name)) return std::nullopt;
    for (const auto parameter : text::split(parameters, '\t')) {
        if (parameter == "plaintext") mechanism.plaintext = true;
        if (parameter == "anonymous" || parameter == "private") mechanism.not_for_smtp = true;
    }
    constexpr std::array<std::string_view, 4> kNotPassedOn = {"CRAM-MD5", "DIGEST-MD5", "NTLM", "EXTERNAL"};
    if (std::find(kNotPassedOn.begin(), kNotPassedOn.end(), mechanism.name) != kNotPassedOn.end() ||
        mechanism.name.ends_with("-PLUS"))
        mechanism.not_for_smtp = true;
    return mechanism;
}

// The parameters after the id, of OK and FAIL.
void read_parameters(std::string_view parameters, DovecotReply& reply) {
    const bool denied = reply.kind == DovecotReply::Kind::denied;
    for (const auto parameter : text::split(parameters, '\t')) {
        std::string_view value = parameter;
        const auto name = text::take_field(value, '=');
        if (name == "user") {
            reply.user = unescaped(value);
        } else if (name == "resp" && !denied) {
            reply.data = base64_decode(value);
        } else if (denied && (name == "temp" || (name == "code" && value == "temp_fail"))) {
            reply.kind = DovecotReply::Kind::unavailable;
        } else if (denied && name == "code") {
            reply.reason = reply.reason.empty() ? unescaped(value) : reply.reason + ", " + unescaped(value);
        } else if (denied && (name == "authz" || name == "user_disabled" || name == "pass_expired")) {
            reply.reason = name;
        } else if (denied && name == "reason") {
            reply.reason = reply.reason.empty() ? unescaped(value) : reply.reason + ", " + unescaped(value);
        }
    }
}

}  // namespace

Result<void> DovecotReader::feed(std::string_view octets, std::vector<DovecotEvent>& events) {
    while (!octets.empty()) {
        const auto newline = octets.find('\n');
        const bool whole = newline != std::string_view::npos;
        line_ += octets.substr(0, newline);
        if (line_.size() > kLongestDovecotLine)
            return Error{
                "a line is longer than Dovecot's authentication protocol allows; is this another socket?"};
        octets.remove_prefix(whole ? newline + 1 : octets.size());
        if (!whole) break;
        const std::string line = std::exchange(line_, {});
        if (Result<void> read = this->line(line, events); !read) return read;
    }
    return {};
}

Result<void> DovecotReader::line(std::string_view line, std::vector<DovecotEvent>& events) {
    std::string_view rest = line;
    const auto command = text::take_field(rest, '\t');
    if (command == "VERSION") {
        const auto major = text::take_field(rest, '\t');
        if (major != "1")
            return Error{
                fmt::format("the server speaks version {} of Dovecot's authentication protocol, not 1",
                            text::safe_for_log(major, 40))};
        version_seen_ = true;
        return {};
    }
    if (!version_seen_)
        return Error{"the server does not begin with VERSION; is this the socket of Dovecot's auth service?"};
    if (command == "MECH" && !ready_) {
        if (auto mechanism = read_mechanism(rest)) mechanisms_.push_back(std::move(*mechanism));
        return {};
    }
    if (command == "DONE" && !ready_) {
        ready_ = true;
        events.emplace_back(DovecotReady{std::exchange(mechanisms_, {})});
        return {};
    }
    DovecotReply reply;
    if (command == "CONT") {
        reply.kind = DovecotReply::Kind::proceed;
    } else if (command == "OK") {
        reply.kind = DovecotReply::Kind::granted;
    } else if (command == "FAIL") {
        reply.kind = DovecotReply::Kind::denied;
    } else {
        return {};  // SPID, CUID, COOKIE, and what later versions may say
    }
    if (!ready_) return Error{"the server answers before its handshake is complete"};
    const auto id = text::parse_unsigned(text::take_field(rest, '\t'), UINT32_MAX);
    if (!id) return Error{"a reply names no request"};
    reply.id = static_cast<std::uint32_t>(*id);
    if (reply.kind == DovecotReply::Kind::proceed) {
        reply.data = base64_decode(rest);
        if (!reply.data) return Error{"a challenge is not base64"};
    } else {
        read_parameters(rest, reply);
    }
    // A user without a name could not be told from nobody.
    if (reply.kind == DovecotReply::Kind::granted && reply.user.empty()) {
        reply.kind = DovecotReply::Kind::unavailable;
        reply.reason = "Dovecot says OK without a user";
    }
    events.emplace_back(std::move(reply));
    return {};
}

std::vector<std::string> smtp_mechanisms(const std::vector<DovecotMechanism>& announced) {
    std::vector<std::string> names;
    for (const bool plaintext : {false, true}) {
        for (const DovecotMechanism& mechanism : announced) {
            if (!mechanism.not_for_smtp && mechanism.plaintext == plaintext) names.push_back(mechanism.name);
        }
    }
    return names;
}

std::string dovecot_hello(std::uint32_t pid) {
    return fmt::format("VERSION\t1\t1\nCPID\t{}\n", pid);
}

std::string dovecot_request(std::uint32_t id, std::string_view mechanism, const DovecotPeer& peer,
                            const std::optional<std::string>& response) {
    std::string line =
        fmt::format("AUTH\t{}\t{}\tservice=smtp\tsecured\tnologin\tfinal-resp-ok", id, escaped(mechanism));
    const auto add = [&](std::string_view name, std::string_view value) {
        if (!value.empty()) line += fmt::format("\t{}={}", name, escaped(value));
    };
    add("session", peer.session);
    add("lip", peer.local_ip);
    add("rip", peer.remote_ip);
    if (peer.local_port != 0) line += fmt::format("\tlport={}", peer.local_port);
    if (peer.remote_port != 0) line += fmt::format("\trport={}", peer.remote_port);
    if (peer.no_penalty) line += "\tno-penalty";
    if (response) line += "\tresp=" + base64_encode(*response);  // must be the last
    line += '\n';
    return line;
}

std::string dovecot_continue(std::uint32_t id, std::string_view response) {
    return fmt::format("CONT\t{}\t{}\n", id, base64_encode(response));
}

std::string dovecot_cancel(std::uint32_t id) {
    return fmt::format("CANCEL\t{}\n", id);
}

}  // namespace posthorn::auth
