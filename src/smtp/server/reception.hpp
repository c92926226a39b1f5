// One message from its first octet to its place in the queue: what sessions and the pickup of spool files have in common.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "intake/distribution.hpp"
#include "intake/intake.hpp"
#include "net/asio.hpp"
#include "smtp/server/postbox.hpp"
#include "smtp/server/spool_writer.hpp"

namespace posthorn::smtp::server {

class LocalDesk;

// Postbox::put for coroutines.
net::awaitable<queue::StoreResult<queue::Added>> put_into(Postbox& postbox, queue::NewMessage message, SteadyTime deadline);

// Carries out what intake::Intake says: large bodies go to a spool file on the disk pool, bodies with long lines are read a second
// time, and what is accepted goes into the postbox. It knows nothing of where the octets come from, and logs nothing. Lives on
// the shard of its owner, who is the only one to call it and waits for each call; pool and postbox outlive it. Let go of at any
// time, it leaves nothing behind.
class Reception {
public:
    // REQUIRES: as for Intake.
    Reception(net::asio::thread_pool& disk, Postbox& postbox, std::shared_ptr<const intake::Rules> rules,
              intake::Submission submission, mail::Envelope envelope);

    // Names of this machine among the recipients are expanded by this desk, which outlives it; without one they stay as they are.
    // `known`: those that were looked up already.
    void use(LocalDesk& desk, std::vector<intake::Expansion> known = {});

    void feed(std::string_view octets) { intake_->feed(octets); }
    // After feed(): what is held in memory has passed its limit; spill() before more is fed.
    [[nodiscard]] bool wants_spill() const { return intake_->wants_spill(); }
    net::awaitable<void> spill();

    // Octets held in memory.
    [[nodiscard]] std::uint64_t memory() const { return intake_ ? intake_->memory() : 0; }

    // The disk's or the queue's trouble, for the operator: nothing was stored, it may be tried again.
    struct Trouble {
        std::string what;
    };
    // This hand-over was stored by an earlier try (queue::StoreFault::known); nothing was stored now.
    struct Known {};
    // A local name may be a message of its own (intake/distribution.hpp).
    struct Copy {
        mail::MessagePtr message;
        std::size_t recipients = 0;
        std::string delivered_to;           // the local name
    };
    struct Stored {
        mail::MessagePtr message;
        std::size_t recipients = 0;         // 0: taken and not queued, since all of them throw their mail away, or of a storm
        bool held_back = false;             // the latter: a summary will tell of it
        std::vector<Copy> copies;           // what was stored beside it
        std::vector<intake::Expansion> refused;   // local names that nobody gets mail for; their sender has to be told
        std::vector<std::string> repaired;  // as AcceptedMail
        std::vector<std::string> warnings;
    };
    using Outcome = std::variant<Trouble, intake::Refusal, Known, Stored>;

    // All octets were fed; called once. `pickup`: NewMessage::pickup. The store gets so much time before it begins.
    net::awaitable<Outcome> store(std::string pickup, Duration limit);

private:
    net::awaitable<std::string> read_again();  // what went wrong, or empty
    net::awaitable<void> look_up_names();
    [[nodiscard]] bool is_storm(const std::vector<intake::Parcel>& parcels) const;
    net::awaitable<std::string> prepare_copies(std::vector<intake::Parcel>& parcels);
    net::awaitable<Outcome> put_all(std::vector<intake::Parcel> parcels, std::string pickup, Duration limit, Stored stored);
    void remove_files(const std::vector<intake::Parcel>& parcels, std::size_t from);

    net::asio::thread_pool& disk_;
    Postbox& postbox_;
    const QueueId id_;
    const std::shared_ptr<const intake::Rules> rules_;
    std::optional<std::uint32_t> uid_;       // of a caller of this machine
    LocalDesk* desk_ = nullptr;
    std::vector<std::string> local_names_;   // recipients that are
    std::size_t others_ = 0;                 // recipients that are not
    std::vector<intake::Expansion> expansions_;
    std::optional<intake::Intake> intake_;  // until the verdict
    std::optional<SpoolWriter> spool_;
};

}  // namespace posthorn::smtp::server
