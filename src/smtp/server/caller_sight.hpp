// A look at the caller's processes while his dialogue goes on: what /proc shows, on the disk pool, waited for a moment at most.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.hpp"
#include "intake/caller.hpp"
#include "net/asio.hpp"
#include "net/process.hpp"

namespace posthorn::smtp::server {

// How many looks are under way on this shard; beyond kMost nobody is looked at, so that a process that cannot be read keeps no
// more than these in the pool.
struct Sights {
    static constexpr std::uint32_t kMost = 32;
    std::uint32_t under_way = 0;
};

// One session's. Lives on its shard; `sights` and the pool outlive it.
class CallerSight {
public:
    static constexpr Duration kPatience = std::chrono::milliseconds(100);

    CallerSight(net::asio::any_io_executor home, net::asio::thread_pool& disk, Sights& sights)
        : home_(std::move(home)), disk_(disk), sights_(sights) {}

    // Begins to look at the process of that user.
    void begin(std::int32_t pid, std::uint32_t uid);
    // Ends when there is something to see, or nothing will be.
    net::awaitable<void> wait();
    // Puts what was seen in place of what was claimed: the program that called sendmail, where the connection's is sendmail (it
    // made a claim), else that program itself. Nothing seen: the claims stay.
    void show(intake::Caller& caller, bool claimed) const;

private:
    struct Look;
    net::asio::any_io_executor home_;
    net::asio::thread_pool& disk_;
    Sights& sights_;
    std::shared_ptr<Look> look_;
};

}  // namespace posthorn::smtp::server
