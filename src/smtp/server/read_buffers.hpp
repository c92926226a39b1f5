// Lends the buffers sessions read into, so that an idle session holds none.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace posthorn::smtp::server {

// One per shard, not thread-safe; outlives its loans. Keeps as many as were ever lent at once, at most kKept.
class ReadBuffers {
public:
    static constexpr std::size_t kSize = 16 * 1024;
    static constexpr std::size_t kKept = 64;

    class Loan {
    public:
        explicit Loan(ReadBuffers& from) : from_(&from), memory_(from.take()) {}
        ~Loan() {
            if (memory_) from_->give_back(std::move(memory_));
        }
        Loan(Loan&& other) noexcept = default;
        Loan& operator=(Loan&&) = delete;
        [[nodiscard]] std::span<char> span() const { return {memory_.get(), kSize}; }

    private:
        ReadBuffers* from_;
        std::unique_ptr<char[]> memory_;
    };

private:
    std::unique_ptr<char[]> take() {
        if (free_.empty()) return std::make_unique_for_overwrite<char[]>(kSize);
        auto memory = std::move(free_.back());
        free_.pop_back();
        return memory;
    }
    void give_back(std::unique_ptr<char[]> memory) {
        if (free_.size() < kKept) free_.push_back(std::move(memory));
    }

    std::vector<std::unique_ptr<char[]>> free_;
};

}  // namespace posthorn::smtp::server
