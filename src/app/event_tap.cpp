// The thread and the list between the two.
#include "app/event_tap.hpp"

#include <condition_variable>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "admin/client.hpp"

namespace posthorn::app {
namespace {

constexpr std::size_t kMostTapped = 10'000;
struct NobodyListens {};

}  // namespace

struct EventTap::Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> events;
    std::string line;  // the thread's alone
    std::string why;
    bool open = false, ended = false, left = false;

    void hear(std::string_view piece) {
        const std::lock_guard lock(mutex);
        if (left) throw NobodyListens{};
        for (;;) {
            const std::size_t end = piece.find('\n');
            line += piece.substr(0, end);
            if (end == std::string_view::npos) break;
            piece.remove_prefix(end + 1);
            open = true;  // the first line says that it is watched
            if (!line.empty() && events.size() < kMostTapped) events.push_back(line);
            line.clear();
        }
        changed.notify_all();
    }
};

EventTap::EventTap(const std::string& socket, const std::string& target)
    : shared_(std::make_shared<Shared>()) {
    std::thread([shared = shared_, socket, target] {
        std::string why;
        try {
            const auto answer = admin::request_long(socket, "GET", target,
                                                    [&](std::string_view piece) { shared->hear(piece); });
            why = !answer ? answer.error().what : answer->status != 200 ? answer->body : "the daemon ended";
        } catch (const NobodyListens&) {
            return;
        }
        const std::lock_guard lock(shared->mutex);
        shared->why = std::move(why);
        shared->ended = true;
        shared->changed.notify_all();
    }).detach();
}

EventTap::~EventTap() {
    const std::lock_guard lock(shared_->mutex);
    shared_->left = true;
}

bool EventTap::wait_until_open(std::chrono::milliseconds limit) {
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait_for(lock, limit, [&] { return shared_->open || shared_->ended; });
    return shared_->open;
}

std::string EventTap::why() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->why;
}

std::vector<std::string> EventTap::take(std::chrono::milliseconds limit) {
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait_for(lock, limit, [&] { return !shared_->events.empty(); });
    return std::exchange(shared_->events, {});
}

}  // namespace posthorn::app
