// Names of this machine at the edge: their files are read on the disk pool, storms to them are held back and summed up.
#pragma once

#include <memory>
#include <string>

#include "base/queue_id.hpp"
#include "base/seldom.hpp"
#include "intake/local_names.hpp"
#include "intake/storms.hpp"
#include "net/asio.hpp"
#include "net/wait_event.hpp"
#include "smtp/server/alias_files.hpp"
#include "smtp/server/postbox.hpp"

namespace posthorn::smtp::server {

// One for sessions and the pickup of spool files; lives on their shard. Pool, ids and postbox outlive it.
class LocalDesk {
public:
    LocalDesk(net::asio::io_context& context, net::asio::thread_pool& disk, Postbox& postbox, QueueIdSource& ids);

    // What a local name comes to; the log has it under `id`. REQUIRES: rules->is_local(recipient).
    net::awaitable<intake::Expansion> expand(std::shared_ptr<const intake::Rules> rules, std::string recipient, QueueId id);

    // For the messages that one becomes.
    [[nodiscard]] QueueId next_id() { return ids_.next(wall_now()); }

    // False: the message belongs to a storm. It is counted, the log has it under `id`, and one summary will tell of it (SM-51).
    [[nodiscard]] bool admit(intake::StormMail mail, const intake::LocalOptions& options, QueueId id);

    // Sends the summaries when their time has come, until stop(). What was held back is kept in the file "held-back" beside the
    // queue's files: it outlives a restart and a kill; a power cut costs what the kernel had not written by then.
    net::awaitable<void> run();
    // For the summaries of from now on. Before run().
    void use(std::shared_ptr<const intake::Rules> rules, Duration store_deadline);
    void stop();

private:
    net::awaitable<bool> send(intake::StormSummary summary);
    net::awaitable<void> write_down();

    net::asio::thread_pool& disk_;
    Postbox& postbox_;
    QueueIdSource& ids_;
    std::shared_ptr<AliasFiles> files_;       // shared with work on the pool, which may outlive a session that is cut off
    std::shared_ptr<const intake::Rules> rules_;
    Duration store_deadline_{};
    std::string path_;                        // of the file "held-back"; empty: it is kept nowhere
    intake::Storms storms_;
    net::Signal changed_;
    bool to_write_ = false;
    bool stopping_ = false;
    Seldom not_written_{std::chrono::minutes(1)};
};

}  // namespace posthorn::smtp::server
