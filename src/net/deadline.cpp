// One timer per connection; what decides is the stored time, not how the timer completed.
#include "net/deadline.hpp"

#include "net/stream.hpp"

namespace posthorn::net {

struct Deadline::State {
    asio::steady_timer timer;
    std::function<void()> on_expiry;        // empty once the Deadline is gone
    std::optional<SteadyTime> limit;        // what the owner wants
    std::optional<SteadyTime> sleeping_to;  // what the timer waits for, if it does
    std::uint64_t armed = 0;                // tells the handler of an abandoned wait from the current one
    bool expired = false;

    State(asio::any_io_executor executor, std::function<void()> action)
        : timer(std::move(executor)), on_expiry(std::move(action)) {}

    static void arm(const std::shared_ptr<State>& self, SteadyTime when) {
        self->sleeping_to = when;
        self->timer.expires_at(when);
        self->timer.async_wait([self, mine = ++self->armed](const error_code&) {
            // A timer can complete with success although it was cancelled or set anew (asio#878): ask the
            // state, not ec.
            if (mine != self->armed || !self->on_expiry) {
                return;
            }
            self->sleeping_to.reset();
            if (!self->limit) {
                return;
            }
            if (std::chrono::steady_clock::now() < *self->limit) {
                arm(self, *self->limit);
                return;
            }
            self->expired = true;
            const auto action = std::move(self->on_expiry);
            self->on_expiry = nullptr;
            action();
        });
    }
};

Deadline::Deadline(Stream& stream) : Deadline(stream.get_executor(), [&stream] { stream.close(); }) {}

Deadline::Deadline(asio::any_io_executor executor, std::function<void()> on_expiry)
    : state_(std::make_shared<State>(std::move(executor), std::move(on_expiry))) {}

Deadline::~Deadline() {
    state_->on_expiry = nullptr;
    state_->timer.cancel();
}

void Deadline::set(SteadyTime when) {
    if (state_->expired) {
        return;
    }
    state_->limit = when;
    if (!state_->sleeping_to || when < *state_->sleeping_to) {
        State::arm(state_, when);
    }
}

void Deadline::clear() {
    state_->limit.reset();
}

bool Deadline::expired() const {
    return state_->expired;
}

}  // namespace posthorn::net
