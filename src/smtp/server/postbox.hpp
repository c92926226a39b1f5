// Where a session puts the mail it accepted: the queue, seen from the server.
#pragma once

#include "base/clock.hpp"
#include "queue/store.hpp"

namespace posthorn::smtp::server {

// Implemented by app over the store and the delivery agent, by tests over a store alone. Lives on the server's shard; outlives the server.
class Postbox {
public:
    virtual ~Postbox() = default;

    // Makes the message durable, or says why not. `done` runs exactly once, on the shard's thread, never inside put().
    // After `deadline` a message that still waits for the disk is withdrawn (StoreFault::busy).
    virtual void put(queue::NewMessage message, SteadyTime deadline, queue::Done<queue::Added> done) = 0;

    // False while the queue cannot take mail at all (a failed or full disk): MAIL is answered 452 then.
    [[nodiscard]] virtual bool open() const = 0;

    // Where bodies too large for memory are written before put().
    [[nodiscard]] virtual const std::string& spool_directory() const = 0;
};

}  // namespace posthorn::smtp::server
