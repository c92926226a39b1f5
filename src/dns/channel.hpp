// One c-ares channel living on an Asio executor: its sockets and its timer are watched, its replies come back
// by callback.
#pragma once

#include <ares.h>
#include <sys/socket.h>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_function.hpp"
#include "dns/message.hpp"
#include "dns/options.hpp"
#include "net/asio.hpp"

namespace posthorn::dns {

// Single-threaded. Only sockets and timers are here; what a reply means is decided in resolver.cpp.
class Channel : public std::enable_shared_from_this<Channel> {
public:
    // status: ARES_SUCCESS with the octets of the reply, or why there is none. said: the replies that c-ares
    // passed over on its way to the next server, "192.0.2.1:53 answered SERVFAIL, ..."; for the operator
    // only.
    using Reply =
        UniqueFunction<void(int status, std::span<const std::uint8_t> octets, const std::string& said)>;

    [[nodiscard]] static Result<std::shared_ptr<Channel>> create(net::asio::any_io_executor executor,
                                                                 const DnsOptions& options);
    // Calls what is pending back with ARES_EDESTRUCTION. REQUIRES: not from inside a Reply.
    ~Channel();
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    // The reply may come before this returns. It must not call into this channel, nor destroy it.
    void query(const std::string& name, RecordType type, Reply reply);
    // Calls what is pending back with ARES_ECANCELLED. REQUIRES: not from inside a Reply.
    void cancel();
    [[nodiscard]] std::size_t pending() const { return said_.size(); }
    [[nodiscard]] const std::string& servers() const { return servers_; }  // "192.0.2.1:53, [2001:db8::1]:53"

private:
    // A socket of c-ares. Handlers share it, and look at `gone` first: they still run after the socket was
    // taken back, when its number may already belong to another one.
    struct Watch {
        net::asio::posix::stream_descriptor descriptor;
        int fd = -1;
        bool want_read = false;
        bool want_write = false;
        bool reading = false;
        bool writing = false;
        bool gone = false;

        Watch(const net::asio::any_io_executor& executor, int number)
            : descriptor(executor, number), fd(number) {}
    };

    Channel(net::asio::any_io_executor executor, bool trust_ad);
    // c-ares 1.18 reports servers that answered SERVFAIL or REFUSED as "connection refused": what they said
    // is read off the wire on its way in.
    static ssize_t receive(ares_socket_t fd, void* buffer, std::size_t size, int flags, sockaddr* from,
                           socklen_t* length, void* self);
    void overhear(std::span<const std::uint8_t> octets, const sockaddr* from);
    static void on_reply(void* argument, int status, int timeouts, unsigned char* octets, int length);
    std::uint16_t fresh_id();
    void socket_changed(int fd, bool readable, bool writable);
    void watch_read(const std::shared_ptr<Watch>& watch);
    void watch_write(const std::shared_ptr<Watch>& watch);
    void process(ares_socket_t readable, ares_socket_t writable);
    void arm_timer();

    net::asio::any_io_executor executor_;
    net::asio::steady_timer timer_;
    std::uint64_t timer_armed_ = 0;  // tells the handler of an abandoned wait from the current one
    ares_channel channel_ = nullptr;
    std::map<int, std::shared_ptr<Watch>> watches_;
    std::string servers_;
    std::map<std::uint16_t, std::string> said_;  // by the id of the pending query
    bool trust_ad_ = false;
};

}  // namespace posthorn::dns
