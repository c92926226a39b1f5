// The integration of c-ares 1.18 by ARES_OPT_SOCK_STATE_CB (never ares_fds: it writes out of bounds above
// descriptor 1024).
#include "dns/channel.hpp"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <sys/random.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace posthorn::dns {
namespace {

namespace asio = net::asio;
using net::error_code;

constexpr int kUdpSize = 1232;  // fits every path without fragments (DNS flag day 2020)

Result<void> library_ready() {
    // Once per process, and never undone: other channels may be in use on other threads.
    static const int status = ares_library_init(ARES_LIB_INIT_ALL);
    if (status != ARES_SUCCESS) {
        return Error{std::string("c-ares does not start: ") + ares_strerror(status)};
    }
    return {};
}

std::string list_of(const std::vector<Endpoint>& servers, const char* separator) {
    std::string list;
    for (const Endpoint& server : servers) {
        list += list.empty() ? "" : separator;
        list += server.to_string();
    }
    return list;
}

// As c-ares found them in /etc/resolv.conf.
std::string servers_of(ares_channel channel) {
    ares_addr_port_node* first = nullptr;
    std::string list;
    if (ares_get_servers_ports(channel, &first) != ARES_SUCCESS) {
        return list;
    }
    for (const ares_addr_port_node* node = first; node != nullptr; node = node->next) {
        std::array<char, INET6_ADDRSTRLEN> text{};
        ::inet_ntop(node->family, &node->addr, text.data(), text.size());
        const int port = node->udp_port == 0 ? 53 : node->udp_port;
        list += list.empty() ? "" : ", ";
        list += node->family == AF_INET6 ? "[" + std::string(text.data()) + "]" : std::string(text.data());
        list += ':' + std::to_string(port);
    }
    ares_free_data(first);
    return list;
}

unsigned short random_id() {
    unsigned short id = 0;
    if (::getrandom(&id, sizeof id, 0) != sizeof id) {
        id = static_cast<unsigned short>(std::chrono::steady_clock::now().time_since_epoch().count());
    }
    return id;
}

// What c-ares carries through a query for us.
struct Carried {
    Channel::Reply reply;
    std::size_t* pending;
};

void on_reply(void* argument, int status, int, unsigned char* octets, int length) {
    const std::unique_ptr<Carried> carried(static_cast<Carried*>(argument));
    --*carried->pending;
    const bool any = octets != nullptr && length > 0;
    carried->reply(status, any ? std::span<const std::uint8_t>(octets, static_cast<std::size_t>(length))
                               : std::span<const std::uint8_t>());
}

}  // namespace

Channel::Channel(asio::any_io_executor executor, bool trust_ad)
    : executor_(executor), timer_(std::move(executor)), trust_ad_(trust_ad) {}

Result<std::shared_ptr<Channel>> Channel::create(asio::any_io_executor executor, const DnsOptions& options) {
    if (Result<void> ready = library_ready(); !ready) {
        return ready.error();
    }
    std::shared_ptr<Channel> made(new Channel(std::move(executor), options.trust_ad));
    ares_options settings{};
    settings.flags = ARES_FLAG_EDNS;
    settings.ednspsz = kUdpSize;
    settings.timeout = static_cast<int>(std::clamp<std::int64_t>(options.timeout.count(), 1, 60'000));
    settings.tries = static_cast<int>(std::clamp<std::uint32_t>(options.tries, 1, 10));
    settings.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
        static_cast<Channel*>(self)->socket_changed(fd, readable != 0, writable != 0);
    };
    settings.sock_state_cb_data = made.get();
    const int status = ares_init_options(
        &made->channel_, &settings,
        ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
        made->channel_ = nullptr;
        return Error{std::string("the DNS resolver does not start: ") + ares_strerror(status)};
    }
    if (!options.servers.empty()) {
        for (const Endpoint& server : options.servers) {
            if (server.is_unix() || !IpAddress::parse(server.host)) {
                return Error{"dns.servers: '" + server.to_string() +
                             "' is not an IP address with a port, such as 127.0.0.1:53"};
            }
        }
        const std::string csv = list_of(options.servers, ",");
        if (const int set = ares_set_servers_ports_csv(made->channel_, csv.c_str()); set != ARES_SUCCESS) {
            return Error{"dns.servers: c-ares does not accept " + csv + ": " + ares_strerror(set)};
        }
    }
    made->servers_ = servers_of(made->channel_);
    return made;
}

Channel::~Channel() {
    if (channel_ != nullptr) {
        ares_destroy(channel_);
    }
    for (auto& [fd, watch] : watches_) {
        watch->gone = true;
    }
}

void Channel::query(const std::string& name, RecordType type, Reply reply) {
    unsigned char* octets = nullptr;
    int length = 0;
    const int made = ares_create_query(name.c_str(), ns_c_in, static_cast<int>(type), random_id(), 1, &octets,
                                       &length, kUdpSize);
    if (made != ARES_SUCCESS) {
        reply(made, std::span<const std::uint8_t>());
        return;
    }
    if (trust_ad_) {
        octets[3] |= 0x20;  // RFC 6840 s5.7: AD in a question asks for AD in the reply
    }
    ++pending_;
    auto carried = std::make_unique<Carried>(Carried{std::move(reply), &pending_});
    // c-ares keeps the query until it has called back, in any case exactly once.
    ares_send(channel_, octets, length, on_reply, carried.release());
    ares_free_string(octets);
    arm_timer();
}

void Channel::socket_changed(int fd, bool readable, bool writable) {
    const auto found = watches_.find(fd);
    if (!readable && !writable) {
        if (found != watches_.end()) {
            found->second->gone = true;
            // Out of epoll without closing it: c-ares closes its sockets itself.
            found->second->descriptor.release();
            watches_.erase(found);
        }
        return;
    }
    std::shared_ptr<Watch> watch;
    if (found != watches_.end()) {
        watch = found->second;
    } else {
        watch = std::make_shared<Watch>(executor_, fd);
        watches_.emplace(fd, watch);
    }
    watch->want_read = readable;
    watch->want_write = writable;
    watch_read(watch);
    watch_write(watch);
}

void Channel::watch_read(const std::shared_ptr<Watch>& watch) {
    if (watch->gone || watch->reading || !watch->want_read) {
        return;
    }
    watch->reading = true;
    watch->descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                                 [weak = weak_from_this(), watch](const error_code&) {
                                     watch->reading = false;
                                     const auto self = weak.lock();
                                     if (!self || watch->gone) {
                                         return;
                                     }
                                     self->process(watch->fd, ARES_SOCKET_BAD);
                                     self->watch_read(watch);
                                 });
}

void Channel::watch_write(const std::shared_ptr<Watch>& watch) {
    if (watch->gone || watch->writing || !watch->want_write) {
        return;
    }
    watch->writing = true;
    watch->descriptor.async_wait(asio::posix::descriptor_base::wait_write,
                                 [weak = weak_from_this(), watch](const error_code&) {
                                     watch->writing = false;
                                     const auto self = weak.lock();
                                     if (!self || watch->gone) {
                                         return;
                                     }
                                     self->process(ARES_SOCKET_BAD, watch->fd);
                                     self->watch_write(watch);
                                 });
}

void Channel::process(ares_socket_t readable, ares_socket_t writable) {
    ares_process_fd(channel_, readable, writable);
    arm_timer();
}

void Channel::arm_timer() {
    timeval left{};
    if (ares_timeout(channel_, nullptr, &left) == nullptr) {
        ++timer_armed_;
        timer_.cancel();
        return;
    }
    timer_.expires_after(std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec));
    timer_.async_wait([weak = weak_from_this(), mine = ++timer_armed_](const error_code&) {
        const auto self = weak.lock();
        if (self && mine == self->timer_armed_) {
            self->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        }
    });
}

}  // namespace posthorn::dns
