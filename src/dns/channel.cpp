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
#include <chrono>
#include <cstring>
#include <string_view>

#include "net/socket_address.hpp"

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

// What c-ares carries through a query for us.
struct Carried {
    Channel* channel;
    std::uint16_t id;
    Channel::Reply reply;
};

// The sockets of c-ares are made here, as giving it one function of its own means giving it all.
ares_socket_t open_socket(int domain, int type, int protocol, void*) {
    const int fd = ::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd >= 0 && type == SOCK_STREAM) {
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return fd;
}

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

std::string_view word_of(unsigned rcode) {
    switch (rcode) {
        case 1:
            return "FORMERR, it does not understand the question";
        case 2:
            return "SERVFAIL, it could not find out (the domain's own servers are down, or DNSSEC fails)";
        case 4:
            return "NOTIMP, it does not answer such questions";
        case 5:
            return "REFUSED, this machine may not ask there";
        default:
            return "with an error code it should not use here";
    }
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
    static const ares_socket_functions kSockets = {open_socket, close_socket, connect_socket,
                                                   &Channel::receive, send_socket};
    ares_set_socket_functions(made->channel_, &kSockets, made.get());
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

std::uint16_t Channel::fresh_id() {
    std::uint16_t id = 0;
    do {
        if (::getrandom(&id, sizeof id, 0) != sizeof id) {
            ++id;  // never seen on a running Linux; c-ares compares the question as well
        }
    } while (said_.contains(id));
    return id;
}

void Channel::query(const std::string& name, RecordType type, Reply reply) {
    if (said_.size() >= kMaxPending) {
        reply(ARES_ENOMEM, std::span<const std::uint8_t>(), "too many questions are under way");
        return;
    }
    const std::uint16_t id = fresh_id();
    unsigned char* octets = nullptr;
    int length = 0;
    const int made =
        ares_create_query(name.c_str(), ns_c_in, static_cast<int>(type), id, 1, &octets, &length, kUdpSize);
    if (made != ARES_SUCCESS) {
        reply(made, std::span<const std::uint8_t>(), std::string());
        return;
    }
    if (trust_ad_) {
        octets[3] |= 0x20;  // RFC 6840 s5.7: AD in a question asks for AD in the reply
    }
    said_.emplace(id, std::string());
    auto carried = std::make_unique<Carried>(Carried{this, id, std::move(reply)});
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
    const auto node = carried->channel->said_.extract(carried->id);
    const bool any = octets != nullptr && length > 0;
    carried->reply(status,
                   any ? std::span<const std::uint8_t>(octets, static_cast<std::size_t>(length))
                       : std::span<const std::uint8_t>(),
                   node.mapped());
}

ssize_t Channel::receive(ares_socket_t fd, void* buffer, std::size_t size, int flags, sockaddr* from,
                         socklen_t* length, void* self) {
    const ssize_t got = ::recvfrom(fd, buffer, size, flags, from, length);
    if (got >= 4 && from != nullptr) {
        static_cast<Channel*>(self)->overhear(
            std::span<const std::uint8_t>(static_cast<const std::uint8_t*>(buffer),
                                          static_cast<std::size_t>(got)),
            from);
    }
    return got;
}

void Channel::overhear(std::span<const std::uint8_t> octets, const sockaddr* from) {
    const unsigned rcode = octets[3] & 0x0FU;
    const auto found = said_.find(static_cast<std::uint16_t>(octets[0] << 8 | octets[1]));
    // NXDOMAIN is an answer. The bound is for a server that repeats itself.
    if (rcode == 0 || rcode == 3 || found == said_.end() || found->second.size() > 500) {
        return;
    }
    sockaddr_storage address{};
    std::memcpy(&address, from, from->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
    std::string words = net::SocketAddress::from(address).to_string() + " answered ";
    words += word_of(rcode);
    if (found->second.find(words) == std::string::npos) {
        found->second += (found->second.empty() ? "" : "; ") + words;
    }
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
