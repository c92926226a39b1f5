// What is found out about this machine and its neighbours, as facts, and the rules that judge them. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "doctor/finding.hpp"

namespace posthorn::doctor {

// One connection to a provider's mail server.
struct PortFact {
    enum class Outcome : std::uint8_t {
        open,
        refused,
        silent,
        unreachable,
        no_host
    } outcome = Outcome::no_host;
    std::string provider;  // "gmail", "yahoo" ...
    std::string host;      // the MX
    std::string address;   // "192.0.2.25"
    bool v4 = true;
    std::string words;  // the greeting, or why there was none

    PortFact() = default;
};
// relayed_by: the relay that all mail goes by, so that port 25 does not matter; empty: mail goes to the MX
// hosts. SD-16.
[[nodiscard]] std::vector<Finding> judge_ports(const std::vector<PortFact>& facts, std::uint16_t port,
                                               const std::string& relayed_by);

struct ResolverFact {
    std::string servers;  // for people: "192.0.2.53:53, 198.51.100.53:53"
    bool answers = false;
    std::string detail;                // why not
    bool validates = false;            // it says of the root's own records that DNSSEC vouches for them
    std::vector<std::string> made_up;  // names that cannot exist, and what it said they are
    std::chrono::milliseconds took{0};
    bool trusted = false;  // dns.trust_ad

    ResolverFact() = default;
};
[[nodiscard]] std::vector<Finding> judge_resolver(const ResolverFact& fact);

struct ClockFact {
    bool known = false;  // the kernel says how well it is kept
    bool synchronised = false;
    std::chrono::milliseconds error{0};  // at most, as the kernel estimates
    TimePoint now{};
    TimePoint newest{};  // the latest time that a file of ours bears: the clock was there once
    std::string newest_file;

    ClockFact() = default;
};
[[nodiscard]] std::vector<Finding> judge_clock(const ClockFact& fact);

struct CertificateFact {
    std::string file, key_file;
    std::string fault;  // it cannot be loaded: why; then nothing of what follows is known
    std::vector<std::string> names;
    TimePoint not_before{}, not_after{};
    bool for_hostname = false;
    std::string chain_fault;  // why a client that verifies would not trust it; empty: it would
    bool own_making = false;  // tls.self_signed
    std::string exposed;      // who else may read the key; empty: nobody

    CertificateFact() = default;
};
[[nodiscard]] std::vector<Finding> judge_certificates(const std::vector<CertificateFact>& facts,
                                                      const std::string& hostname, TimePoint now);

// A file that must be there, and that others should not read.
struct FileFact {
    std::string path;
    std::string what;   // "the DKIM key s1 of example.com"
    std::string fault;  // why it cannot be used
    std::uint32_t mode = 0600;
    std::string owner;

    FileFact() = default;
};
[[nodiscard]] std::vector<Finding> judge_keys(const std::vector<FileFact>& facts);

struct ConfigFact {
    std::string file;
    std::vector<std::string> problems, warnings;

    ConfigFact() = default;
};
[[nodiscard]] std::vector<Finding> judge_config(const ConfigFact& fact);

struct UsersFact {
    std::string file;  // empty: nobody logs in
    std::string fault;
    std::size_t users = 0;

    UsersFact() = default;
};
[[nodiscard]] std::vector<Finding> judge_users(const UsersFact& fact);

struct DiskFact {
    std::string directory;
    std::string fault;         // why it could not be looked at
    std::string network_type;  // "NFS", "CIFS" ...; empty: the file system is a local one
    bool missing =
        false;  // it will be made at the first start; the rest is of the directory that it will be made in
    bool read_only = false;
    std::uint64_t free = 0, total = 0, min_free = 0;  // octets
    std::uint64_t free_inodes = 1, inodes = 1;

    DiskFact() = default;
};
[[nodiscard]] std::vector<Finding> judge_disk(const DiskFact& fact);

// What the running daemon says of itself.
struct QueueFact {
    bool answered = false;
    bool is_root = true;  // else it says little
    std::string silence;  // why the daemon was not asked, or did not answer
    bool healthy = true;
    std::string reason;
    std::uint64_t waiting = 0;
    std::chrono::seconds oldest{0};
    std::vector<std::string> suspended;  // pairs of sender and provider, in words
    std::vector<std::string> alarms;

    QueueFact() = default;
};
[[nodiscard]] std::vector<Finding> judge_queue(const QueueFact& fact);

// The address of one stream for one-click unsubscription (RFC 8058).
struct UrlFact {
    std::string stream, url;
    bool resolves = false, trusted = false;
    bool asked = false;  // the POST was made
    unsigned status = 0;
    std::string detail;

    UrlFact() = default;
};
[[nodiscard]] std::vector<Finding> judge_urls(const std::vector<UrlFact>& facts);

}  // namespace posthorn::doctor
