// A body too large for memory on its way to its spool file, written on the disk pool.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/asio.hpp"
#include "queue/body_spool.hpp"

namespace posthorn::smtp::server {

// One per message, used by one session; each call waits for the one before. The file is abandoned with the last reference,
// unless finish() gave it a name. The first error sticks: later calls do nothing, finish() reports it.
class SpoolWriter {
public:
    SpoolWriter(net::asio::thread_pool& disk, std::string directory, QueueId id);

    net::awaitable<void> write(std::string octets);
    // What was written, from `offset` on; empty at the end. Before finish(). The writer outlives the call.
    net::awaitable<Result<std::string>> read(std::uint64_t offset, std::size_t size);
    // The name for mail::Body::spool_file, durable; or what went wrong.
    net::awaitable<Result<std::string>> finish();
    // After finish(): a file with the same octets for another message (queue::link_spooled).
    net::awaitable<Result<std::string>> link(QueueId id);
    // After finish(), when the message was not stored after all; `linked`: one that link() gave.
    void remove();
    void remove(std::string linked);

private:
    struct State {
        std::string directory;
        QueueId id;
        std::optional<queue::BodySpool> file;
        std::string name;
        std::string error;

        void write(const std::string& octets);
        Result<std::string> read(std::uint64_t offset, std::size_t size) const;
        void finish();
    };

    net::asio::thread_pool& disk_;
    std::shared_ptr<State> state_;   // shared with the work under way, which may outlive a session that is cut off
};

}  // namespace posthorn::smtp::server
