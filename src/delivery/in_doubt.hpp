// Which messages a peer may have taken although nobody knows: marks in a file, made before the final dot, for after a crash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/queue_id.hpp"
#include "delivery/verdict.hpp"
#include "queue/store.hpp"

namespace posthorn::delivery {

// One delivery whose end nobody had recorded when the process died.
struct Doubt {
    QueueId message;
    std::string domain;                            // of the recipients
    std::string host;                              // "mx.example.com[192.0.2.1]", that was given the message
    TimePoint since{};                             // when its end was about to be sent
    std::vector<queue::RecipientId> recipients;

    friend bool operator==(const Doubt&, const Doubt&) = default;
};

// The octets of one slot, and back. A slot that is empty, torn or not ours decodes to nothing. Pure.
inline constexpr std::size_t kDoubtSlot = 16 * 1024;   // a transaction has at most 1,000 recipients
[[nodiscard]] std::string encode_doubt(const Doubt& doubt);
[[nodiscard]] bool decode_doubt(std::string_view slot, Doubt& doubt);

// What the queue is to be told of a doubt that a process left behind: for each of its recipients that is still there, and was
// not settled after the doubt began, an attempt whose connection was lost after the final dot (RFC 1047). So it is tried again
// when its time comes, and not at once. Suspended ones are left as they are. Pure.
[[nodiscard]] std::vector<Judged> judge_doubt(const Doubt& doubt, const queue::QueueEntry& entry);

// The file <queue directory>/in-doubt: slots of equal size, each for one delivery between its final dot and the commit of its
// settlement. Written with pwrite and never synced: what is written survives kill -9 of the process; a power cut takes what the
// kernel had not written by itself. One process has it (the queue's lock), on the home shard; a write goes to the page cache.
//
// A file that cannot be opened or written costs the marks and nothing else: it is logged once, mail goes on.
class InDoubtFile {
public:
    // Until it is opened nothing is written: for agents without a directory.
    InDoubtFile() = default;
    ~InDoubtFile();
    InDoubtFile(const InDoubtFile&) = delete;
    InDoubtFile& operator=(const InDoubtFile&) = delete;

    // Opens or creates the file; returns what the process before left behind. Foreign octets are overwritten in time.
    [[nodiscard]] std::vector<Doubt> open(const std::string& directory);
    // Those left behind are settled now, their slots free again. Call after their marks are in the queue.
    void forget_left();

    // A slot of its own for one delivery. note() writes it; settled() clears it, once the queue has the outcome. A mark that
    // goes without settled() stays in the file: nobody knows, and the next start says so.
    class Mark {
    public:
        explicit Mark(InDoubtFile& file) : file_(file) {}
        ~Mark() = default;
        Mark(const Mark&) = delete;
        Mark& operator=(const Mark&) = delete;
        void note(const Doubt& doubt);
        void settled();

    private:
        InDoubtFile& file_;
        std::size_t slot_ = SIZE_MAX;
    };

private:
    std::size_t take();
    void write(std::size_t slot, std::string_view octets);
    void complain(const char* what);

    int fd_ = -1;
    std::string path_;
    std::vector<bool> used_;                       // by slot
    std::vector<std::size_t> left_;
    bool complained_ = false;
};

}  // namespace posthorn::delivery
