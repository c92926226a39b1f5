// Who gives way.
#include "smtp/server/strangers.hpp"

#include <algorithm>
#include <utility>

namespace posthorn::smtp::server {

Strangers::Seat::Seat(Strangers& all, const Address& address, std::function<void()> give_way)
    : all_(all), give_way_(std::move(give_way)) {
    of_address_ = all_.per_address_.try_emplace(address, 0).first;
    ++of_address_->second;
    place_ = all_.seats_.insert(all_.seats_.end(), this);
}

Strangers::Seat::~Seat() {
    leave();
}

void Strangers::Seat::leave() {
    if (std::exchange(left_, true)) {
        return;
    }
    all_.seats_.erase(place_);
    if (--of_address_->second == 0) {
        all_.per_address_.erase(of_address_);
    }
}

Strangers::Seat* Strangers::first_of_most() const {
    // The first of those that are largest: max_element gives that one.
    const auto most = std::max_element(seats_.begin(), seats_.end(), [](const Seat* one, const Seat* other) {
        return one->of_address_->second < other->of_address_->second;
    });
    return most == seats_.end() ? nullptr : *most;
}

bool Strangers::displace() {
    Seat* const seat = first_of_most();
    if (seat == nullptr) return false;
    seat->leave();
    seat->give_way_();
    return true;
}

bool Strangers::displace_crowd(const Address& newcomer, std::uint32_t bearable) {
    const Seat* const seat = first_of_most();
    if (seat == nullptr || seat->of_address_->second <= bearable || seat->of_address_->first == newcomer) return false;
    return displace();
}

}  // namespace posthorn::smtp::server
