// Follows the running daemon's events on a thread of its own, for a command that does something meanwhile.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace posthorn::app {

// From its making until it is destroyed, at most 10,000 events at a time. Where nobody may follow them there
// are none.
class EventTap {
public:
    // socket: the daemon's admin socket; target: GET /v1/events with its filter.
    EventTap(const std::string& socket, const std::string& target);
    ~EventTap();
    EventTap(const EventTap&) = delete;
    EventTap& operator=(const EventTap&) = delete;

    // Waits until the daemon shows its events, or refuses to: what happens from then on is seen. False: it is
    // not shown; why() says it.
    [[nodiscard]] bool wait_until_open(std::chrono::milliseconds limit);
    [[nodiscard]] std::string why() const;
    // Objects of JSON that came since the last call, oldest first; waits for the first one until `limit` is
    // over.
    [[nodiscard]] std::vector<std::string> take(std::chrono::milliseconds limit);

private:
    struct Shared;
    std::shared_ptr<Shared> shared_;  // with the thread, which may outlast us: nothing ends a read from the
                                      // socket but its next octet
};

}  // namespace posthorn::app
