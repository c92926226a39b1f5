// Sessions of strangers in the order they came: when every place is taken, one of them makes room for a newcomer.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <map>

namespace posthorn::smtp::server {

// Connections that say nothing cost an attacker nothing; without this rule as many as there are places would keep everybody
// else out until their time is over. With it, who wants to keep a client out must connect as often as there are places in
// the time that client needs to say who it is: a second, not ten minutes.
//
// Pure; one per server, on the server's thread; outlives its seats.
class Strangers {
public:
    using Address = std::array<std::uint8_t, 16>;  // Client::counted_as()

    // Held by a session while nobody knows who its client is. give_way runs once at most, within displace(); it may not
    // end the session there and then, only ask it to.
    class Seat {
    public:
        Seat(Strangers& all, const Address& address, std::function<void()> give_way);
        ~Seat();
        Seat(const Seat&) = delete;
        Seat& operator=(const Seat&) = delete;

    private:
        friend class Strangers;
        void leave();

        Strangers& all_;
        std::function<void()> give_way_;
        std::map<Address, std::uint32_t>::iterator of_address_;
        std::list<Seat*>::iterator place_;
        bool left_ = false;
    };

    // Of the address that has the most seats, who came first gives way. False: there is no stranger.
    bool displace();
    // Of the address that has the most seats, if they are more than `bearable` and it is not the newcomer's, who came first gives way.
    bool displace_crowd(const Address& newcomer, std::uint32_t bearable);

private:
    [[nodiscard]] Seat* first_of_most() const;      // null: there is none

    std::list<Seat*> seats_;                        // in the order they came
    std::map<Address, std::uint32_t> per_address_;
};

}  // namespace posthorn::smtp::server
