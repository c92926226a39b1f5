// One c-ares channel to one DNS server, living on an Asio executor: its sockets and its timer are watched,
// its replies come back by callback.
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

// Single-threaded. Only sockets, time-outs, tries and the change to TCP are here; what a reply means is
// decided in servers.cpp. One server only: c-ares 1.18 remembers nothing about servers that do not answer.
class Channel : public std::enable_shared_from_this<Channel> {
public:
    struct Reply {
        int status = ARES_SUCCESS;  // of c-ares
        std::span<const std::uint8_t>
            octets;              // with ARES_SUCCESS, whatever the reply's code; valid in the callback
        bool cut_short = false;  // a reply by UDP was truncated, so that TCP was tried
        bool shortage = false;   // no reply, and this process had no descriptors or memory for a question

        explicit Reply(int ended) : status(ended) {}
    };
    using OnReply = UniqueFunction<void(const Reply&)>;

    // Those of the options, or else of /etc/resolv.conf. Errors: servers that are no IP addresses.
    [[nodiscard]] static Result<std::vector<Endpoint>> servers_of(const DnsOptions& options);
    // plain: all questions go without EDNS. A channel of its own: where EDNS is on, c-ares answers a FORMERR by
    // cutting eleven octets off the question, which are its end when there is no OPT record.
    // recursive: the server is to ask others for us (RD); not of a zone's own server.
    [[nodiscard]] static Result<std::shared_ptr<Channel>> create(net::asio::any_io_executor executor,
                                                                 const Endpoint& server,
                                                                 const DnsOptions& options, bool plain = false,
                                                                 bool recursive = true);
    // Calls what is pending back with ARES_EDESTRUCTION. REQUIRES: not from inside an OnReply.
    ~Channel();
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    // The reply may come before this returns. It must not call into this channel, nor destroy it.
    void query(const std::string& name, RecordType type, OnReply on_reply);
    // Calls what is pending back with ARES_ECANCELLED. REQUIRES: not from inside an OnReply.
    void cancel();
    // From now on a validating resolver is asked for what it has, also where DNSSEC does not vouch for it (CD, RFC 4035 s3.2.2).
    void ask_unchecked() { unchecked_ = true; }

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

    struct Pending {
        bool cut_short = false;
        std::uint64_t shortages = 0;  // there had been when it began

        explicit Pending(std::uint64_t so_far) : shortages(so_far) {}
    };

    Channel(net::asio::any_io_executor executor, bool trust_ad, bool plain, bool recursive);
    // The sockets of c-ares are made and read here: giving it one function of its own means giving it all.
    static ares_socket_t open_socket(int domain, int type, int protocol, void* self);
    static ssize_t receive(ares_socket_t fd, void* buffer, std::size_t size, int flags, sockaddr* from,
                           socklen_t* length, void* self);
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
    std::map<std::uint16_t, Pending> pending_;  // by the id of the query
    std::uint64_t shortages_ = 0;
    bool trust_ad_ = false;
    bool plain_ = false;
    bool recursive_ = true;
    bool unchecked_ = false;
};

}  // namespace posthorn::dns
