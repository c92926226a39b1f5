// Hands each piece to the disk pool and comes back to the session's shard.
#include "smtp/server/spool_writer.hpp"

#include <utility>

#include "net/offload.hpp"

namespace posthorn::smtp::server {

SpoolWriter::SpoolWriter(net::asio::thread_pool& disk, std::string directory, QueueId id)
    : disk_(disk), state_(std::make_shared<State>()) {
    state_->directory = std::move(directory);
    state_->id = id;
}

void SpoolWriter::State::write(const std::string& octets) {
    if (!error.empty()) return;
    if (!file) {
        Result<queue::BodySpool> opened = queue::BodySpool::open(directory, id);
        if (!opened) {
            error = opened.error().what;
            return;
        }
        file.emplace(std::move(*opened));
    }
    if (const Result<void> written = file->write(octets); !written) error = written.error().what;
}

Result<std::string> SpoolWriter::State::read(std::uint64_t offset, std::size_t size) const {
    if (!error.empty()) return Error{error};
    return file->read(offset, size);
}

void SpoolWriter::State::finish() {
    if (!error.empty()) return;
    Result<std::string> finished = file->finish();
    if (finished) {
        name = std::move(*finished);
    } else {
        error = finished.error().what;
    }
}

net::awaitable<void> SpoolWriter::write(std::string octets) {
    auto work = [state = state_, octets = std::move(octets)] { state->write(octets); };
    co_await net::offload(disk_, std::move(work));
}

net::awaitable<Result<std::string>> SpoolWriter::read(std::uint64_t offset, std::size_t size) {
    auto work = [state = state_, offset, size] { return state->read(offset, size); };
    Result<std::string> octets = co_await net::offload(disk_, std::move(work));
    co_return octets;
}

net::awaitable<Result<std::string>> SpoolWriter::finish() {
    auto work = [state = state_] { state->finish(); };
    co_await net::offload(disk_, std::move(work));
    if (!state_->error.empty()) co_return Error{state_->error};
    co_return state_->name;
}

net::awaitable<Result<std::string>> SpoolWriter::link(QueueId id) {
    auto work = [state = state_, id] { return queue::link_spooled(state->directory, state->name, id); };
    Result<std::string> name = co_await net::offload(disk_, std::move(work));
    co_return name;
}

void SpoolWriter::remove(std::string linked) {
    net::asio::post(disk_, [state = state_, linked = std::move(linked)] { queue::remove_spooled(state->directory, linked); });
}

void SpoolWriter::remove() {
    net::asio::post(disk_, [state = state_] {
        if (!state->name.empty()) queue::remove_spooled(state->directory, state->name);
    });
}

}  // namespace posthorn::smtp::server
