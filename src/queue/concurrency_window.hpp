// How many deliveries a site takes at once: learnt from how the last ones went, by 1/N feedback.
#pragma once

#include <algorithm>
#include <cstdint>

namespace posthorn::queue {

// After Postfix's SCHEDULER_README: N deliveries that went well make a window of N one wider, N more that
// failed than went well make it one narrower, and N failures in a row say that the site is dead. A site
// begins with one delivery, so that one that does not answer never holds more than one connection; until it
// first makes trouble each success widens it by one up to kOpening. Pure arithmetic; never below one.
class ConcurrencyWindow {
public:
    static constexpr std::uint32_t kOpening = 5;

    [[nodiscard]] std::uint32_t size() const { return size_; }

    // A delivery ended. True: it was under way when the peer asked for less, which its end says nothing new
    // about. Ask once for each delivery, before the others.
    [[nodiscard]] bool from_before() {
        const bool before = grace_ > 0;
        grace_ -= before ? 1 : 0;
        return before;
    }

    void succeeded(std::uint32_t ceiling) {
        failures_ = 0;
        if (size_ >= ceiling) {
            credit_ = std::min(credit_ + 1, 0);
        } else if (opening_ && size_ < kOpening) {
            ++size_;
        } else if (++credit_ >= static_cast<std::int32_t>(size_)) {
            ++size_;
            credit_ = 0;
        }
    }

    // It went well but took long while others waited for a connection.
    void narrow() {
        failures_ = 0;
        opening_ = false;
        credit_ = 0;
        size_ = std::max<std::uint32_t>(1, size_ - 1);
    }

    // The site did not take the session. True: nor did it take any of the last `size` ones.
    [[nodiscard]] bool failed() {
        opening_ = false;
        if (++failures_ >= size_) {
            return true;
        }
        if (--credit_ <= -static_cast<std::int32_t>(size_)) {
            --size_;
            credit_ = 0;
        }
        return false;
    }

    // The peer asked for less; `active` others are under way. True: there is nothing less than this but a
    // pause.
    [[nodiscard]] bool throttled(std::uint32_t active) {
        opening_ = false;
        if (size_ <= 1) {
            return true;
        }
        size_ /= 2;
        credit_ = 0;
        grace_ = active;
        return false;
    }

    // One tries first. `before`: those under way whose end is to teach nothing.
    void collapse(std::uint32_t before) {
        *this = ConcurrencyWindow();
        opening_ = false;
        grace_ = before;
    }

    void limit(std::uint32_t ceiling) { size_ = std::max<std::uint32_t>(1, std::min(size_, ceiling)); }

private:
    std::uint32_t size_ = 1;
    std::int32_t credit_ = 0;     // those that went well, less those that failed, since the size last changed
    std::uint32_t failures_ = 0;  // in a row
    std::uint32_t grace_ = 0;     // still under way from before the peer asked for less
    bool opening_ = true;
};

}  // namespace posthorn::queue
