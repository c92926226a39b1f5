// The admin socket's client: see control.hpp.
#include "app/sendmail/control.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "app/sendmail/connection.hpp"
#include "app/sendmail/spool.hpp"
#include "base/sysexits.hpp"
#include "base/text.hpp"
#include "mail/aliases.hpp"

namespace posthorn::app::sendmail {
namespace {

constexpr std::size_t kMaxHttpHead = 16384;

std::string percent_encoded(std::string_view text) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        if (text::is_alnum(c) || c == '.' || c == '-' || c == '_') {
            out += c;
        } else {
            out += '%';
            out += kDigits[static_cast<unsigned char>(c) >> 4U];
            out += kDigits[static_cast<unsigned char>(c) & 15U];
        }
    }
    return out;
}

bool write_all(int fd, std::string_view octets) {
    while (!octets.empty()) {
        const ssize_t done = ::write(fd, octets.data(), octets.size());
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        octets.remove_prefix(static_cast<std::size_t>(done));
    }
    return true;
}

// -1: nothing within the time, or an error; errno says which.
ssize_t read_some(int fd, char* buffer, std::size_t size) {
    for (;;) {
        pollfd ready{fd, POLLIN, 0};
        const int count = ::poll(&ready, 1, kAnswerSeconds * 1000);
        if (count == 0) errno = ETIMEDOUT;
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return -1;
        const ssize_t got = ::recv(fd, buffer, size, 0);
        if (got < 0 && errno == EINTR) continue;
        return got;
    }
}

int daemon_is_down(const Ways& ways, const Plan& plan, std::string& words) {
    words = "the daemon is not running (" + ways.admin + ": " + std::strerror(errno) + "); ";
    const std::string no_place = ", so mail is refused until it runs";
    if (ways.spool.empty()) {
        words += "no spool is set (POSTHORN_SPOOL)" + no_place;
        return exit_code::kUnavailable;
    }
    const SpoolListing waiting = list_spool(ways.spool);
    if (plan.mode == Mode::list_queue) (void)write_all(STDOUT_FILENO, waiting.text);
    if (waiting.error == 0) {
        words += std::to_string(waiting.messages) + (waiting.messages == 1 ? " message waits" : " messages wait") + " for it in " + ways.spool;
    } else if (waiting.error == EACCES) {
        words += "new mail waits for it in " + ways.spool + ", whose list only root may see";
    } else {
        words += ways.spool + "/new: " + std::strerror(waiting.error) + no_place;
    }
    return exit_code::kUnavailable;
}

}  // namespace

std::string request_of(const Plan& plan) {
    if (plan.mode == Mode::list_queue) return "GET /mailq HTTP/1.0\r\nHost: posthorn\r\n\r\n";
    std::string target = "/mailq/flush";
    if (!plan.queue_id.empty()) target += "?id=" + percent_encoded(plan.queue_id);
    if (!plan.site.empty()) target += (plan.queue_id.empty() ? "?site=" : "&site=") + percent_encoded(plan.site);
    return "POST " + target + " HTTP/1.0\r\nHost: posthorn\r\nContent-Length: 0\r\n\r\n";
}

std::optional<HttpHead> read_http_head(std::string_view answer) {
    constexpr std::string_view kVersion = "HTTP/1.";
    const std::string_view begin = answer.substr(0, kVersion.size());
    if (begin != kVersion.substr(0, begin.size()) || answer.size() > kMaxHttpHead + 65536) return HttpHead{};
    const std::size_t end = answer.find("\r\n\r\n");
    if (end == std::string_view::npos) {
        if (answer.size() > kMaxHttpHead) return HttpHead{};
        return std::nullopt;
    }
    const std::size_t blank = answer.find(' ');
    const auto status = text::parse_unsigned(answer.substr(std::min(blank, end) + 1, 3), 999);
    return HttpHead{static_cast<int>(status.value_or(0)), end + 4};
}

int exit_code_of_status(int status) {
    switch (status) {
        case 200: return exit_code::kOk;
        case 400: return exit_code::kUsage;
        case 403: return exit_code::kNoPermission;
        case 429:
        case 503: return exit_code::kTempFail;
        default: return exit_code::kUnavailable;
    }
}

bool is_whole_list(std::string_view last_line) {
    return last_line.starts_with("-- ") || last_line == "Mail queue is empty";
}

int ask_daemon(const Ways& ways, const Plan& plan, std::string& words) {
    const Socket socket = connect_unix(ways.admin);
    if (!socket.ok()) return daemon_is_down(ways, plan, words);
    const std::string request = request_of(plan);
    if (::send(socket.fd(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
        return daemon_is_down(ways, plan, words);
    std::string answer;
    std::optional<HttpHead> head;
    std::string last;       // the last line so far, with its line end
    char buffer[65536];
    for (;;) {
        const ssize_t got = read_some(socket.fd(), buffer, sizeof buffer);
        if (got < 0) {
            words = ways.admin + ": " + std::strerror(errno);
            return exit_code::kTempFail;
        }
        if (got == 0) break;
        std::string_view piece(buffer, static_cast<std::size_t>(got));
        if (!head) {
            answer += piece;
            head = read_http_head(answer);
            if (!head) continue;
            if (head->status == 0) break;
            answer.erase(0, head->length);
            piece = answer;
        } else if (head->status != 200 && answer.size() < kMaxHttpHead) {
            answer += piece;
        }
        if (head->status != 200 || plan.mode != Mode::list_queue) continue;
        if (!write_all(STDOUT_FILENO, piece)) return exit_code::kIoError;
        for (const char c : piece) {
            if (last.ends_with('\n')) last.clear();
            if (last.size() < 200 || c == '\n') last += c;
        }
    }
    if (!head || head->status == 0) {
        words = ways.admin + ": what answers is not the daemon";
        return exit_code::kProtocol;
    }
    if (head->status != 200) {
        words = text::safe_for_log(text::trim(answer));
        if (words.empty()) words = "the daemon answered " + std::to_string(head->status);
        return exit_code_of_status(head->status);
    }
    if (plan.mode == Mode::list_queue && !is_whole_list(text::trim(last))) {
        words = "the list was cut off";
        return exit_code::kTempFail;
    }
    return exit_code::kOk;
}

int check_aliases(const std::string& path, std::string& words) {
    const auto text = read_file(path.c_str(), mail::kMaxAliasFile + 1);
    if (!text) {
        words = path + ": " + std::strerror(errno) + "; local names have no aliases";
        return exit_code::kOk;
    }
    if (text->size() > mail::kMaxAliasFile) {
        words = path + ": longer than " + std::to_string(mail::kMaxAliasFile) + " octets; the daemon does not read it";
        return exit_code::kOk;
    }
    const mail::AliasTable table = mail::parse_aliases(*text);
    const auto tell = [&](std::uint32_t line, std::string_view what) {
        words.append(path).append(":").append(std::to_string(line)).append(": ").append(what).append("\n");
    };
    for (const mail::AliasFault& fault : table.faults) tell(fault.line, fault.what);
    for (const mail::Alias& alias : table.aliases)
        for (const mail::AliasValue& value : alias.values)
            if (const std::string_view why = mail::why_refused(value.kind); !why.empty())
                tell(value.line, (value.kind == mail::AliasValue::Kind::command ? "|" : "") + text::safe_for_log(value.text, 80) + " is refused: " +
                                     std::string(why));
    if (table.more_faults > 0) words += path + ": and " + std::to_string(table.more_faults) + " mistakes more\n";
    if (words.ends_with('\n')) words.pop_back();
    const std::string summary = path + ": " + std::to_string(table.aliases.size()) + " aliases\n";
    (void)write_all(STDOUT_FILENO, summary);
    return exit_code::kOk;
}

}  // namespace posthorn::app::sendmail
