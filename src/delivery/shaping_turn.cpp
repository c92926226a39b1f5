// The agent's side of shaping: gates of the scheduler, delivery's memory, the log, alarms, and the passing of time.
#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "delivery/memory.hpp"
#include "delivery/shaping_view.hpp"

namespace posthorn::delivery {

ShapingView DeliveryAgent::shaping() const {
    const TimePoint now = wall_now();
    ShapingView view;
    view.throttles = state_->throttles.view(now);
    view.warm_ups = state_->warm_up.view();
    view.marks = state_->bulk_marks.view(kMostMarks, now);
    view.refusals = state_->throttles.refusals();
    return view;
}

void DeliveryAgent::State::join_shaping() {
    ShapingOutlets outlets;
    outlets.set_gate = [this](const std::string& key, const queue::GateSettings& gate) {
        scheduler.set_gate(key, gate, wall_now());
        wake();
    };
    outlets.save = [this](std::string_view kind, const SavedState& state) {
        if (learnt.memory == nullptr) return;
        if (state.value.empty()) learnt.memory->erase(kind, state.key);
        else if (state.value.size() <= kMaxSavedValue) learnt.memory->put(kind, state.key, state.value, state.expires);
    };
    outlets.say = [](const ShapingNotice& notice) {
        log::Event line(notice.warning ? log::Level::warning : log::Level::info, notice.event);
        for (const auto& [name, value] : notice.fields) line.kv(name, value);
    };
    outlets.raise = [this](const Alarm& alarm) {
        if (learnt.alarms != nullptr) learnt.alarms->raise(alarm);
    };
    outlets.clear = [this](const std::string& kind, const std::string& subject) {
        if (learnt.alarms != nullptr) learnt.alarms->clear(kind, subject);
    };
    shaping.use(std::move(outlets));
    shaping.add(throttles);
    shaping.add(breaker);
    shaping.add(warm_up);
    shaping.add(bulk_marks);
}

void DeliveryAgent::State::recall_shaping() {
    if (learnt.memory == nullptr) return;
    const TimePoint now = wall_now();
    breaker.configure(settings->retry, now);   // what is loaded is timed by it
    for (const std::string_view kind : shaping.kinds())
        for (const Remembered& item : learnt.memory->load(kind, now)) shaping.load(kind, item.key, item.value, now);
}

void DeliveryAgent::State::configure_shaping() {
    breaker.configure(settings->retry, wall_now());
    throttles.limits(settings->delivery.providers, settings->delivery.connections_per_site);
    warm_up.configure(settings->delivery.warm_up, settings->delivery.providers, wall_now());
    bulk_marks.configure(settings->delivery.providers);
    shaping.tick(wall_now());
}

void DeliveryAgent::State::shape(const Attempt& attempt) {
    if (!attempt.flow.group.empty()) shaping.heed(attempt.flow, attempt.judged, wall_now());
    look_into(attempt);
}

void DeliveryAgent::State::shape_in_time() {
    const TimePoint now = wall_now();
    if (const auto next = shaping.next_change(); next && *next <= now) shaping.tick(now);
}

}  // namespace posthorn::delivery
