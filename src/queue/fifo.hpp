// A first-in first-out queue that costs nothing while it is empty (std::deque allocates half a kilobyte for
// that).
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace posthorn::queue {

template <class T>
class Fifo {
public:
    void push_back(T value) { items_.push_back(std::move(value)); }
    [[nodiscard]] T& front() { return items_[head_]; }
    [[nodiscard]] T& back() { return items_.back(); }
    [[nodiscard]] const T& operator[](std::size_t index) const { return items_[head_ + index]; }
    [[nodiscard]] bool empty() const { return head_ == items_.size(); }
    [[nodiscard]] std::size_t size() const { return items_.size() - head_; }

    T pop_front() {
        T value = std::move(items_[head_]);
        head_ += 1;
        if (head_ == items_.size()) {
            items_.clear();
            head_ = 0;
            if (items_.capacity() > kKept) {
                items_ = {};
            }
        } else if (head_ >= kCompacted && head_ * 2 >= items_.size()) {
            items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
            head_ = 0;
        }
        return value;
    }

private:
    static constexpr std::size_t kKept = 16;
    static constexpr std::size_t kCompacted = 64;
    std::vector<T> items_;
    std::size_t head_ = 0;
};

}  // namespace posthorn::queue
