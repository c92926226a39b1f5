// The integration of c-ares 1.18 by ARES_OPT_SOCK_STATE_CB (never ares_fds: it writes out of bounds above
// descriptor 1024).
#include "dns/channel.hpp"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <exception>

#include "base/bound.hpp"

namespace posthorn::dns {
namespace {

namespace asio = net::asio;
using net::error_code;

constexpr std::size_t kMaxPending = 20000;  // of 65536 ids
constexpr int kUdpSize = 1232;              // fits every path without fragments (DNS flag day 2020)

Result<void> library_ready() {
    // Once per process, and never undone: other channels may be in use on other threads.
    static const int status = ares_library_init(ARES_LIB_INIT_ALL);
    if (status != ARES_SUCCESS) {
        return Error{std::string("c-ares does not start: ") + ares_strerror(status)};
    }
    return {};
}

// What c-ares found in /etc/resolv.conf.
std::vector<Endpoint> servers_known_to(ares_channel channel) {
    ares_addr_port_node* first = nullptr;
    std::vector<Endpoint> list;
    if (ares_get_servers_ports(channel, &first) != ARES_SUCCESS) {
        return list;
    }
    for (const ares_addr_port_node* node = first; node != nullptr; node = node->next) {
        std::array<char, INET6_ADDRSTRLEN> text{};
        ::inet_ntop(node->family, &node->addr, text.data(), text.size());
        Endpoint server;
        server.host = text.data();
        server.port = static_cast<std::uint16_t>(node->udp_port == 0 ? 53 : node->udp_port);
        list.push_back(std::move(server));
    }
    ares_free_data(first);
    return list;
}

// What c-ares carries through a query for us.
struct Carried {
    Channel* channel;
    std::uint16_t id;
    Channel::OnReply on_reply;
};

int close_socket(ares_socket_t fd, void*) {
    return ::close(fd);
}

int connect_socket(ares_socket_t fd, const sockaddr* address, ares_socklen_t length, void*) {
    return ::connect(fd, address, length);
}

ssize_t send_socket(ares_socket_t fd, const iovec* parts, int count, void*) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    return ::sendmsg(fd, &message, MSG_NOSIGNAL);
}

}  // namespace

Channel::Channel(asio::any_io_executor executor, bool trust_ad, bool plain, bool recursive)
    : executor_(executor), timer_(std::move(executor)), trust_ad_(trust_ad), plain_(plain), recursive_(recursive) {}

Result<std::vector<Endpoint>> Channel::servers_of(const DnsOptions& options) {
    for (const Endpoint& server : options.servers) {
        if (server.is_unix() || !IpAddress::parse(server.host)) {
            return Error{"dns.servers: '" + server.to_string() +
                         "' is not an IP address with a port, such as 127.0.0.1:53"};
        }
    }
    if (!options.servers.empty()) {
        return options.servers;
    }
    if (Result<void> ready = library_ready(); !ready) {
        return ready.error();
    }
    ares_channel channel = nullptr;
    if (const int status = ares_init(&channel); status != ARES_SUCCESS) {
        return Error{std::string("the DNS resolver does not start: ") + ares_strerror(status)};
    }
    std::vector<Endpoint> found = servers_known_to(channel);
    ares_destroy(channel);
    return found;
}

Result<std::shared_ptr<Channel>> Channel::create(asio::any_io_executor executor, const Endpoint& server,
                                                 const DnsOptions& options, bool plain, bool recursive) {
    if (Result<void> ready = library_ready(); !ready) {
        return ready.error();
    }
    std::shared_ptr<Channel> made(new Channel(std::move(executor), options.trust_ad, plain, recursive));
    ares_options settings{};
    // A reply is handed on whatever its code: another server is chosen in servers.cpp.
    settings.flags = ARES_FLAG_NOCHECKRESP | (plain ? 0 : ARES_FLAG_EDNS);
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
    const std::string text = server.to_string();
    if (const int set = ares_set_servers_ports_csv(made->channel_, text.c_str()); set != ARES_SUCCESS) {
        return Error{"dns.servers: c-ares does not accept " + text + ": " + ares_strerror(set)};
    }
    static const ares_socket_functions kSockets = {&Channel::open_socket, close_socket, connect_socket,
                                                   &Channel::receive, send_socket};
    ares_set_socket_functions(made->channel_, &kSockets, made.get());
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

std::uint16_t Channel::fresh_id() {
    std::uint16_t id = 0;
    do {
        if (::getrandom(&id, sizeof id, 0) != sizeof id) {
            ++id;  // never seen on a running Linux; c-ares compares the question as well
        }
    } while (pending_.contains(id));
    return id;
}

void Channel::query(const std::string& name, RecordType type, OnReply on_reply) {
    if (pending_.size() >= kMaxPending) {
        note_reached(Bound::dns_queries);
        Reply none(ARES_ENOMEM);
        none.shortage = true;
        on_reply(none);
        return;
    }
    const std::uint16_t id = fresh_id();
    unsigned char* octets = nullptr;
    int length = 0;
    const int made = ares_create_query(name.c_str(), ns_c_in, static_cast<int>(type), id, recursive_ ? 1 : 0, &octets, &length,
                                       plain_ ? 0 : kUdpSize);
    if (made != ARES_SUCCESS) {
        Reply none(made);
        none.shortage = made == ARES_ENOMEM;
        on_reply(none);
        return;
    }
    if (trust_ad_) {
        octets[3] |= 0x20;  // RFC 6840 s5.7: AD in a question asks for AD in the reply (DA-2)
    }
    if (unchecked_) octets[3] |= 0x10;
    pending_.emplace(id, Pending(shortages_));
    auto carried = std::make_unique<Carried>(Carried{this, id, std::move(on_reply)});
    // c-ares keeps the query until it has called back, in any case exactly once.
    ares_send(channel_, octets, length, &Channel::on_reply, carried.release());
    ares_free_string(octets);
    arm_timer();
}

void Channel::cancel() {
    ares_cancel(channel_);
    arm_timer();
}

void Channel::on_reply(void* argument, int status, int, unsigned char* octets, int length) {
    const std::unique_ptr<Carried> carried(static_cast<Carried*>(argument));
    Channel& self = *carried->channel;
    const auto node = self.pending_.extract(carried->id);
    Reply reply(status);
    reply.cut_short = node.mapped().cut_short;
    if (status == ARES_SUCCESS && octets != nullptr && length > 0) {
        reply.octets = std::span<const std::uint8_t>(octets, static_cast<std::size_t>(length));
    } else {
        reply.shortage = status == ARES_ENOMEM || self.shortages_ != node.mapped().shortages;
    }
    carried->on_reply(reply);
}

ares_socket_t Channel::open_socket(int domain, int type, int protocol, void* self) {
    const int fd = ::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            ++static_cast<Channel*>(self)->shortages_;
        }
        return fd;
    }
    if (type == SOCK_STREAM) {
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return fd;
}

ssize_t Channel::receive(ares_socket_t fd, void* buffer, std::size_t size, int flags, sockaddr* from,
                         socklen_t* length, void* self) {
    const ssize_t got = ::recvfrom(fd, buffer, size, flags, from, length);
    // Datagrams only (from is null for TCP): c-ares does not say that a reply was truncated.
    if (got >= 4 && from != nullptr) {
        const auto* const octets = static_cast<const std::uint8_t*>(buffer);
        auto& pending = static_cast<Channel*>(self)->pending_;
        const auto asked = pending.find(static_cast<std::uint16_t>(octets[0] << 8 | octets[1]));
        if (asked != pending.end() && (octets[2] & 0x02U) != 0) {
            asked->second.cut_short = true;
        }
    }
    return got;
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
        try {
            watch = std::make_shared<Watch>(executor_, fd);
        } catch (const std::exception&) {
            // No room in epoll or in memory. Nothing may be thrown through c-ares; its time-out ends the
            // query.
            ++shortages_;
            return;
        }
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
