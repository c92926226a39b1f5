// Names go to the pool and come back as addresses; storms go to disk and come back as one message.
#include "smtp/server/local_desk.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/log.hpp"
#include "net/offload.hpp"
#include "smtp/server/reception.hpp"

namespace posthorn::smtp::server {
namespace {

constexpr std::size_t kMaxShownTargets = 10;           // of an expansion, in the log
constexpr std::size_t kMaxHeldBackFile = 4 * 1024 * 1024;
constexpr Duration kLook = std::chrono::minutes(1);    // a clock that is set makes a sleep too long
constexpr Duration kAgain = std::chrono::seconds(30);  // after a summary that could not be stored

// Replaces the file as a whole; empty text removes it. Not synced: what is in it may be lost, and must not be torn.
std::string replace_file(const std::string& path, const std::string& text) {
    if (text.empty()) {
        return ::unlink(path.c_str()) == 0 || errno == ENOENT ? std::string() : std::string(std::strerror(errno));
    }
    const std::string temporary = path + ".new";
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return std::strerror(errno);
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t written = ::write(fd, text.data() + done, text.size() - done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) break;
        done += static_cast<std::size_t>(written);
    }
    std::string trouble = done == text.size() ? "" : std::strerror(errno);
    ::close(fd);
    if (trouble.empty() && ::rename(temporary.c_str(), path.c_str()) != 0) trouble = std::strerror(errno);
    return trouble;
}

std::string read_file(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return {};
    std::string text(kMaxHeldBackFile, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const ssize_t got = ::read(fd, text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        size += static_cast<std::size_t>(got);
    }
    ::close(fd);
    text.resize(size);
    return text;
}

std::string shown(const intake::Expansion& expansion) {
    std::string all;
    for (std::size_t i = 0; i < expansion.targets.size(); ++i) {
        if (i == kMaxShownTargets) return all + " and " + std::to_string(expansion.targets.size() - i) + " more";
        const intake::Target& target = expansion.targets[i];
        all += (i == 0 ? "" : ", ") + target.address + " (" + target.via + ")";
        if (target.reverse_path) all += " from " + *target.reverse_path;
    }
    return all;
}

void log_expansion(const intake::Expansion& expansion, const std::string& id) {
    using Kind = intake::Expansion::Kind;
    for (const std::string& warning : expansion.warnings) {
        log::warning("local_name").kv("id", id).kv("name", expansion.recipient).kv("reason", warning);
    }
    log::Event event = log::info("local_name");
    event.kv("id", id).kv("name", expansion.recipient);
    if (expansion.kind == Kind::recipients) event.kv("goes_to", shown(expansion));
    if (expansion.kind == Kind::discarded) event.kv("goes_to", "/dev/null");
    if (expansion.kind == Kind::refused) event.kv("refused", expansion.text);
}

}  // namespace

LocalDesk::LocalDesk(net::asio::io_context& context, net::asio::thread_pool& disk, Postbox& postbox, QueueIdSource& ids)
    : disk_(disk), postbox_(postbox), ids_(ids), files_(std::make_shared<AliasFiles>()), changed_(context.get_executor()) {
    const std::filesystem::path spool(postbox.spool_directory());
    if (spool.has_parent_path()) path_ = (spool.parent_path() / "held-back").string();
    if (!path_.empty()) storms_.restore(read_file(path_));
}

net::awaitable<intake::Expansion> LocalDesk::expand(std::shared_ptr<const intake::Rules> rules, std::string recipient, QueueId id) {
    auto work = [files = files_, rules = std::move(rules), recipient = std::move(recipient)] {
        return intake::expand(rules->local, *files, recipient);
    };
    intake::Expansion expansion = co_await net::offload(disk_, std::move(work));
    log_expansion(expansion, id.to_string());
    // For commands; here they would only be held.
    expansion.steps = {};
    expansion.warnings = {};
    co_return expansion;
}

bool LocalDesk::admit(intake::StormMail mail, const intake::LocalOptions& options, QueueId id) {
    if (stopping_) return true;   // nobody would write it down any more
    const std::string source = mail.source, subject = mail.subject;
    if (storms_.admit(std::move(mail), options.storm_limit, options.storm_window, wall_now())) return true;
    log::info("held_back").kv("id", id.to_string()).kv("source", source).kv("subject", subject)
        .kv("reason", "more than local.storm_limit messages like it; a summary will tell of it");
    to_write_ = true;
    changed_.notify();
    return false;
}

void LocalDesk::use(std::shared_ptr<const intake::Rules> rules, Duration store_deadline) {
    rules_ = std::move(rules);
    store_deadline_ = store_deadline;
}

void LocalDesk::stop() {
    stopping_ = true;
    changed_.notify();
}

net::awaitable<void> LocalDesk::write_down() {
    to_write_ = false;
    if (path_.empty()) co_return;
    auto work = [path = path_, text = storms_.text()] { return replace_file(path, text); };
    const std::string trouble = co_await net::offload(disk_, std::move(work));
    if (trouble.empty()) co_return;
    if (const auto times = not_written_.happened(std::chrono::steady_clock::now())) {
        log::warning("held_back").kv("file", path_).kv("error", trouble).kv("times", *times)
            .kv("meaning", "a restart would forget how many messages of a storm were held back");
    }
}

net::awaitable<bool> LocalDesk::send(intake::StormSummary summary) {
    intake::Submission submission;
    submission.id = next_id();
    submission.now = wall_now();
    submission.protocol = "local";
    submission.source = summary.last.source;
    const std::string id = submission.id.to_string();
    intake::Verdict verdict = intake::make_storm_summary(summary, rules_, std::move(submission));
    if (const auto* refusal = std::get_if<intake::Refusal>(&verdict)) {
        // Nothing that another try could make better.
        log::warning("held_back").kv("id", id).kv("source", summary.last.source).kv("subject", summary.last.subject)
            .kv("count", summary.count).kv("error", refusal->text).kv("meaning", "no summary could be made; this line is all there is");
        co_return true;
    }
    auto& accepted = std::get<intake::AcceptedMail>(verdict);
    queue::NewMessage mail;
    mail.message = std::move(accepted.message);
    mail.recipients = std::move(accepted.recipients);
    const std::uint64_t recipients = mail.recipients.size();
    const SteadyTime deadline = std::chrono::steady_clock::now() + store_deadline_;
    queue::StoreResult<queue::Added> added = co_await put_into(postbox_, std::move(mail), deadline);
    if (!added) {
        log::warning("held_back").kv("id", id).kv("error", added.error().what).kv("meaning", "the summary is tried again");
        co_return false;
    }
    log::info("stored").kv("id", id).kv("from", summary.last.reverse_path).kv("recipients", recipients)
        .kv("source", summary.last.source).kv("summary_of", summary.count);
    co_return true;
}

net::awaitable<void> LocalDesk::run() {
    SteadyTime not_before{};
    for (;;) {
        if (to_write_) co_await write_down();
        if (stopping_) co_return;
        const SteadyTime now = std::chrono::steady_clock::now();
        if (now >= not_before) {
            const std::vector<intake::StormSummary> due = storms_.due(wall_now());
            for (const intake::StormSummary& summary : due) {
                intake::StormSummary copy = summary;
                const bool sent = co_await send(std::move(copy));
                if (!sent) {
                    not_before = std::chrono::steady_clock::now() + kAgain;
                    break;
                }
                storms_.done(summary);
                to_write_ = true;
                if (stopping_) break;
            }
            if (to_write_) continue;
        }
        const TimePoint next = storms_.next_due();
        const TimePoint wall = wall_now();
        const Duration pause = next <= wall ? Duration(0) : next - wall > kLook ? kLook : next - wall;
        co_await changed_.wait_until(std::max(std::chrono::steady_clock::now() + pause, not_before));
    }
}

}  // namespace posthorn::smtp::server
