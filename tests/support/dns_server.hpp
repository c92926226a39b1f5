// A small authoritative DNS server on loopback, UDP and TCP, that answers from a table and can misbehave as
// told.
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/endpoint.hpp"

namespace posthorn::test {

// Runs on a thread of its own from construction to destruction. Every method may be called from any thread. A
// name that is not in the table is NXDOMAIN; one that is there, without the type asked for, is "no data".
// Negative answers carry an SOA with the negative ttl (unless without_soa()).
class DnsServer {
public:
    // truncate_only: truncated by UDP, and TCP is hung up on. lame: neither records nor their absence, but a
    // referral without recursion. no_authority: right, but without AA. empty: nothing at all, from a server that is no authority and asks nobody.
    // no_edns: FORMERR to questions with an OPT record. formerr_and_opt: to all, with an OPT record where one came. wrong_id, wrong_question: an answer to something
    // else. bogus: SERVFAIL, as of a validating resolver, unless the question says CD.
    enum class Behaviour {
        normal,
        servfail,
        refused,
        drop,
        truncate,
        no_authority,
        truncate_only,
        garbage,
        lame,
        empty,
        no_edns,
        formerr_and_opt,
        wrong_id,
        wrong_question,
        bogus
    };
    struct Query {
        std::string name;  // lower case
        std::uint16_t type = 0;
        bool tcp = false;
        bool ad = false;
        bool edns = false;
        bool recursion = false;  // desired (RD)
    };

    // fixed_port: for servers of one zone on several addresses; throws where it is taken.
    explicit DnsServer(const std::string& address = "127.0.0.1", std::uint16_t fixed_port = 0) {
        // UDP and TCP must share one port: take a free UDP port and try TCP on it, a few times if need be.
        for (int attempt = 0; attempt < 50; ++attempt) {
            udp_ = open_socket(SOCK_DGRAM, address, fixed_port);
            if (udp_ < 0) {
                continue;
            }
            sockaddr_in bound{};
            socklen_t length = sizeof bound;
            ::getsockname(udp_, reinterpret_cast<sockaddr*>(&bound), &length);
            const std::uint16_t port = ntohs(bound.sin_port);
            tcp_ = open_socket(SOCK_STREAM, address, port);
            if (tcp_ >= 0 && ::listen(tcp_, 64) == 0) {
                endpoint_.host = address;
                endpoint_.port = port;
                wake_ = ::eventfd(0, EFD_CLOEXEC);
                thread_ = std::thread([this] { run(); });
                return;
            }
            ::close(udp_);
            ::close(tcp_);
        }
        throw std::runtime_error("no free port for the DNS server on " + address);
    }
    ~DnsServer() {
        const std::uint64_t one = 1;
        if (::write(wake_, &one, sizeof one) == sizeof one && thread_.joinable()) {
            thread_.join();
        }
        ::close(udp_);
        ::close(tcp_);
        ::close(wake_);
    }
    DnsServer(const DnsServer&) = delete;
    DnsServer& operator=(const DnsServer&) = delete;

    [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

    DnsServer& a(const std::string& name, const std::string& address, std::uint32_t ttl = 300) {
        in_addr octets{};
        ::inet_pton(AF_INET, address.c_str(), &octets);
        return add(name, 1, ttl, std::string(reinterpret_cast<const char*>(&octets), sizeof octets));
    }
    DnsServer& aaaa(const std::string& name, const std::string& address, std::uint32_t ttl = 300) {
        in6_addr octets{};
        ::inet_pton(AF_INET6, address.c_str(), &octets);
        return add(name, 28, ttl, std::string(reinterpret_cast<const char*>(&octets), sizeof octets));
    }
    DnsServer& mx(const std::string& name, std::uint16_t preference, const std::string& host,
                  std::uint32_t ttl = 300) {
        return add(name, 15, ttl, number(preference) + wire_name(host));
    }
    DnsServer& null_mx(const std::string& name) { return mx(name, 0, "."); }
    DnsServer& cname(const std::string& name, const std::string& target, std::uint32_t ttl = 300) {
        return add(name, 5, ttl, wire_name(target));
    }
    DnsServer& ptr(const std::string& name, const std::string& target) {
        return add(name, 12, 300, wire_name(target));
    }
    DnsServer& ns(const std::string& name, const std::string& server, std::uint32_t ttl = 300) {
        return add(name, 2, ttl, wire_name(server));
    }
    DnsServer& soa(const std::string& name, const std::string& primary) {
        return add(name, 6, 300, wire_name(primary) + wire_name("root." + name) + number32(1) + number32(60) + number32(60) + number32(60) + number32(30));
    }
    DnsServer& txt(const std::string& name, const std::vector<std::string>& strings,
                   std::uint32_t ttl = 300) {
        std::string data;
        for (const std::string& part : strings) {
            data += static_cast<char>(part.size());
            data += part;
        }
        return add(name, 16, ttl, data);
    }
    DnsServer& tlsa(const std::string& name, unsigned usage, unsigned selector, unsigned matching,
                    const std::string& octets) {
        return add(
            name, 52, 300,
            std::string{static_cast<char>(usage), static_cast<char>(selector), static_cast<char>(matching)} +
                octets);
    }
    // Any octets, as a record's data.
    DnsServer& raw(const std::string& name, std::uint16_t type, std::string data) {
        return add(name, type, 300, std::move(data));
    }
    // The name exists, without any record.
    DnsServer& exists(const std::string& name) {
        const std::lock_guard lock(mutex_);
        table_[lower(name)];
        return *this;
    }
    DnsServer& remove(const std::string& name) {
        const std::lock_guard lock(mutex_);
        table_.erase(lower(name));
        return *this;
    }
    // For one name, or with "*" for all that have no behaviour of their own. truncate concerns UDP only.
    DnsServer& behave(const std::string& name, Behaviour behaviour) {
        const std::lock_guard lock(mutex_);
        behaviours_[lower(name)] = behaviour;
        return *this;
    }
    // Each answer comes so much later.
    DnsServer& slow(std::chrono::milliseconds delay) {
        const std::lock_guard lock(mutex_);
        delay_ = delay;
        return *this;
    }
    // Only the first CNAME of a chain is told, as servers do that do not serve its target.
    DnsServer& without_chasing() {
        const std::lock_guard lock(mutex_);
        chase_ = false;
        return *this;
    }
    DnsServer& without_soa() {
        const std::lock_guard lock(mutex_);
        soa_ = false;
        return *this;
    }
    DnsServer& set_ad() {
        const std::lock_guard lock(mutex_);
        ad_ = true;
        return *this;
    }

    // What came that was no question at all.
    [[nodiscard]] std::size_t malformed() const {
        const std::lock_guard lock(mutex_);
        return malformed_;
    }
    [[nodiscard]] std::vector<Query> queries() const {
        const std::lock_guard lock(mutex_);
        return queries_;
    }
    [[nodiscard]] std::size_t count(const std::string& name, std::uint16_t type = 0) const {
        const std::lock_guard lock(mutex_);
        return static_cast<std::size_t>(
            std::count_if(queries_.begin(), queries_.end(), [&](const Query& query) {
                return query.name == lower(name) && (type == 0 || query.type == type);
            }));
    }

private:
    struct Entry {
        std::uint16_t type;
        std::uint32_t ttl;
        std::string data;
    };

    static int open_socket(int kind, const std::string& address, std::uint16_t port) {
        const int fd = ::socket(AF_INET, kind | SOCK_CLOEXEC, 0);
        sockaddr_in local{};
        local.sin_family = AF_INET;
        local.sin_port = htons(port);
        ::inet_pton(AF_INET, address.c_str(), &local.sin_addr);
        if (::bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) {
            ::close(fd);
            return -1;
        }
        return fd;
    }
    static std::string lower(std::string text) {
        std::transform(text.begin(), text.end(), text.begin(),
                       [](unsigned char c) { return std::tolower(c); });
        return text;
    }
    static std::string number(std::uint16_t value) {
        return {static_cast<char>(value >> 8), static_cast<char>(value & 0xFF)};
    }
    static std::string number32(std::uint32_t value) {
        return number(static_cast<std::uint16_t>(value >> 16)) + number(static_cast<std::uint16_t>(value));
    }
    static std::string wire_name(const std::string& name) {
        std::string wire;
        std::size_t start = 0;
        while (start < name.size() && name != ".") {
            const std::size_t dot = std::min(name.find('.', start), name.size());
            wire += static_cast<char>(dot - start);
            wire += name.substr(start, dot - start);
            start = dot + 1;
        }
        return wire + '\0';
    }
    static std::string text_name(const std::string& wire) {
        std::string text;
        for (std::size_t i = 0; i < wire.size() && wire[i] != 0;) {
            const auto length = static_cast<unsigned char>(wire[i]);
            text += (text.empty() ? "" : ".") + wire.substr(i + 1, length);
            i += length + 1U;
        }
        return text;
    }
    static std::string record(const std::string& owner, const Entry& entry) {
        return wire_name(owner) + number(entry.type) + number(1) + number32(entry.ttl) +
               number(static_cast<std::uint16_t>(entry.data.size())) + entry.data;
    }
    DnsServer& add(const std::string& name, std::uint16_t type, std::uint32_t ttl, std::string data) {
        const std::lock_guard lock(mutex_);
        table_[lower(name)].push_back(Entry{type, ttl, std::move(data)});
        return *this;
    }

    // The reply to one query, or empty for none. Also tells how long to wait before sending it.
    std::string answer(const std::string& query, bool tcp, std::chrono::milliseconds& delay) {
        const std::lock_guard lock(mutex_);
        delay = delay_;
        if (query.size() < 17) {
            ++malformed_;
            return {};
        }
        std::size_t end = 12;
        while (end < query.size() && query[end] != 0) {
            end += static_cast<unsigned char>(query[end]) + 1U;
        }
        if (end + 5 > query.size()) {
            ++malformed_;
            return {};
        }
        const std::string question = query.substr(12, end + 5 - 12);
        const std::string asked = lower(text_name(query.substr(12, end - 12) + '\0'));
        const auto type = static_cast<std::uint16_t>(static_cast<unsigned char>(query[end + 1]) << 8 |
                                                     static_cast<unsigned char>(query[end + 2]));
        const bool edns = query.size() > 12 && query[11] != 0;
        queries_.push_back(Query{asked, type, tcp, (query[3] & 0x20) != 0, edns, (query[2] & 1) != 0});

        auto behaviour = behaviours_.contains(asked) ? behaviours_[asked]
                         : behaviours_.contains("*") ? behaviours_["*"]
                                                     : Behaviour::normal;
        if (behaviour == Behaviour::bogus) behaviour = (query[3] & 0x10) != 0 ? Behaviour::normal : Behaviour::servfail;
        if (behaviour == Behaviour::drop || (behaviour == Behaviour::truncate_only && tcp)) {
            return {};
        }
        std::string answers;
        std::string authority;
        std::uint16_t answer_count = 0;
        std::uint16_t authority_count = 0;
        std::uint16_t flags = 0x8580;  // a reply, authoritative, recursion desired and available
        if (behaviour == Behaviour::servfail || behaviour == Behaviour::refused) {
            flags |= behaviour == Behaviour::servfail ? 2 : 5;
        } else if ((behaviour == Behaviour::truncate || behaviour == Behaviour::truncate_only) && !tcp) {
            flags |= 0x0200;
        } else if ((behaviour == Behaviour::no_edns && edns) || behaviour == Behaviour::formerr_and_opt) {
            flags |= 1;
        } else if (behaviour == Behaviour::lame) {
            flags = 0x8100;
            authority = record("test", Entry{2, 300, wire_name("ns.elsewhere.test")});
            authority_count = 1;
        } else if (behaviour == Behaviour::empty) {
            flags = 0x8100;
        } else {
            std::string name = asked;
            bool found = false;
            for (int hop = 0; hop < 10 && !found; ++hop) {
                const auto place = table_.find(name);
                if (place == table_.end()) {
                    flags |= answer_count == 0 || chase_ ? 3 : 0;
                    break;
                }
                std::string next;
                for (const Entry& entry : place->second) {
                    if (entry.type == type || entry.type == 5) {
                        answers += record(name, entry);
                        ++answer_count;
                        found = found || entry.type == type;
                        next = entry.type == 5 ? text_name(entry.data) : next;
                    }
                }
                if (next.empty() || !chase_) {
                    break;
                }
                name = next;
            }
            if (!found && soa_ && (answer_count == 0 || chase_)) {
                const std::string data = wire_name("ns.test") + wire_name("root.test") + number32(1) +
                                         number32(60) + number32(60) + number32(60) + number32(30);
                authority = record("test", Entry{6, 30, data});
                authority_count = 1;
            }
        }
        if (ad_) {
            flags |= 0x20;
        }
        if (behaviour == Behaviour::no_authority) {
            flags &= 0xFBFF;
        }
        std::string reply = query.substr(0, 2) + number(flags) + number(1) + number(answer_count) +
                            number(authority_count) + number(0) + question + answers + authority;
        if (behaviour == Behaviour::formerr_and_opt && edns) {
            reply[11] = 1;
            reply += std::string("\0\0\x29\x04\xD0\0\0\0\0\0\0", 11);
        }
        if (behaviour == Behaviour::wrong_id) {
            reply[1] = static_cast<char>(reply[1] ^ 1);
        }
        if (behaviour == Behaviour::wrong_question) {
            reply[13] = reply[13] == 'x' ? 'y' : 'x';  // the first letter of the name
        }
        if (behaviour == Behaviour::garbage) {
            reply = query.substr(0, 2) + number(0x8180) + number(1) + number(3) + number(0) + number(0) +
                    question + "\xC0\xFF";
        }
        return reply;
    }

    void run() {
        std::vector<pollfd> waiting = {{wake_, POLLIN, 0}, {udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
        for (;;) {
            if (::poll(waiting.data(), waiting.size(), -1) < 0) {
                continue;
            }
            if (waiting[0].revents != 0) {
                break;
            }
            if (waiting[1].revents != 0) {
                serve_udp();
            }
            for (std::size_t i = 3; i < waiting.size();) {
                if (waiting[i].revents != 0 && !serve_tcp(waiting[i].fd)) {
                    ::close(waiting[i].fd);
                    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(i));
                } else {
                    ++i;
                }
            }
            if (waiting[2].revents != 0) {
                if (const int client = ::accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC); client >= 0) {
                    waiting.push_back({client, POLLIN, 0});
                }
            }
        }
        for (std::size_t i = 3; i < waiting.size(); ++i) {
            ::close(waiting[i].fd);
        }
    }
    // Waits, but not longer than the server lives.
    void pause(std::chrono::milliseconds delay) const {
        pollfd stop = {wake_, POLLIN, 0};
        ::poll(&stop, 1, static_cast<int>(delay.count()));
    }
    void serve_udp() {
        std::string query(4096, '\0');
        sockaddr_storage from{};
        socklen_t length = sizeof from;
        const ssize_t got =
            ::recvfrom(udp_, query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
        if (got <= 0) {
            return;
        }
        query.resize(static_cast<std::size_t>(got));
        std::chrono::milliseconds delay{0};
        const std::string reply = answer(query, false, delay);
        if (!reply.empty()) {
            pause(delay);
            ::sendto(udp_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
        }
    }
    // One query; false when the client has gone. Queries of tests arrive in one piece.
    bool serve_tcp(int fd) {
        std::string framed(4096, '\0');
        const ssize_t got = ::recv(fd, framed.data(), framed.size(), 0);
        if (got <= 2) {
            return false;
        }
        std::chrono::milliseconds delay{0};
        const std::string reply = answer(framed.substr(2, static_cast<std::size_t>(got) - 2), true, delay);
        if (reply.empty()) {
            return false;
        }
        pause(delay);
        const std::string out = number(static_cast<std::uint16_t>(reply.size())) + reply;
        return ::send(fd, out.data(), out.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out.size());
    }

    int udp_ = -1;
    int tcp_ = -1;
    int wake_ = -1;
    Endpoint endpoint_;
    mutable std::mutex mutex_;
    std::map<std::string, std::vector<Entry>> table_;
    std::map<std::string, Behaviour> behaviours_;
    std::vector<Query> queries_;
    std::chrono::milliseconds delay_{0};
    std::size_t malformed_ = 0;
    bool chase_ = true;
    bool soa_ = true;
    bool ad_ = false;
    std::thread thread_;
};

}  // namespace posthorn::test
