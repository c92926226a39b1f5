// Clock, certificates, files, disk, queue: what they mean.
#include <fmt/format.h>

#include <algorithm>

#include "base/join.hpp"
#include "base/utc.hpp"
#include "doctor/machine.hpp"
#include "doctor/made.hpp"

namespace posthorn::doctor {
namespace {

std::string days(std::chrono::seconds span) {
    const auto count = std::chrono::floor<std::chrono::days>(span).count();
    return fmt::format("{} day{}", count, count == 1 ? "" : "s");
}

std::string size(std::uint64_t octets) {
    constexpr std::uint64_t kMebi = 1024 * 1024;
    return octets >= 10 * 1024 * kMebi ? fmt::format("{} GiB", octets / kMebi / 1024)
                                       : fmt::format("{} MiB", octets / kMebi);
}

}  // namespace

std::vector<Finding> judge_clock(const ClockFact& fact) {
    constexpr std::chrono::minutes kTolerance{5};
    constexpr std::chrono::seconds kGood{2};
    const std::string keeper = "let this machine keep its clock by NTP";
    if (fact.newest - fact.now > kTolerance) {
        Finding behind = made("clock", "clock", Verdict::fail, "Clock",
                              fmt::format("it says {}, but {} bears a later time, {}: the clock is behind, "
                                          "or was ahead; dates and signatures of mail are off",
                                          utc_text(fact.now), fact.newest_file, utc_text(fact.newest)));
        behind.repair = keeper;
        behind.commands.emplace_back("timedatectl set-ntp true");
        return {std::move(behind)};
    }
    if (!fact.known)
        return {made("clock", "clock", Verdict::skipped, "Clock",
                     "the kernel does not say how well its clock is kept")};
    if (!fact.synchronised) {
        Finding alone = made("clock", "clock", Verdict::warn, "Clock",
                             "nobody keeps it right: the kernel says that it is not synchronised");
        alone.repair = keeper + " (in a container: its host)";
        alone.commands.emplace_back("timedatectl set-ntp true");
        return {std::move(alone)};
    }
    if (fact.error > kGood)
        return {made("clock", "clock", Verdict::warn, "Clock",
                     fmt::format("it is synchronised, but may be {} ms off", fact.error.count()))};
    return {made("clock", "clock", Verdict::pass, "Clock", "it is synchronised")};
}

std::vector<Finding> judge_certificates(const std::vector<CertificateFact>& facts,
                                        const std::string& hostname, TimePoint now) {
    constexpr std::chrono::days kSoon{14};
    const std::string about = "Certificate ";
    if (facts.empty())
        return {made("certificate", "none", Verdict::skipped, "Certificate",
                     "none is configured, so TLS is not offered to clients")};
    std::vector<Finding> findings;
    const bool any_for_us = std::any_of(facts.begin(), facts.end(), [](const CertificateFact& one) {
        return one.for_hostname || !one.fault.empty();
    });
    for (const CertificateFact& fact : facts) {
        const std::string title = about + fact.file;
        if (!fact.fault.empty()) {
            findings.push_back(made("certificate", fact.file, Verdict::fail, title, fact.fault));
            findings.back().repair = "repair the file, or name another in [tls]";
        } else if (now >= fact.not_after) {
            findings.push_back(
                made("certificate", fact.file, Verdict::fail, title,
                     fmt::format("it expired {} ago, on {}: clients that look refuse it",
                                 days(std::chrono::floor<std::chrono::seconds>(now - fact.not_after)),
                                 utc_text(fact.not_after))));
            findings.back().repair = "renew it; Posthorn reads it again by itself";
            if (!fact.own_making) findings.back().commands.emplace_back("certbot renew");
        } else if (now < fact.not_before) {
            findings.push_back(made("certificate", fact.file, Verdict::fail, title,
                                    fmt::format("it is not valid before {}, and the clock says {}",
                                                utc_text(fact.not_before), utc_text(now))));
            findings.back().repair = "look at this machine's clock";
        } else if (fact.not_after - now < kSoon) {
            findings.push_back(
                made("certificate", fact.file, Verdict::warn, title,
                     fmt::format("it expires in {}, on {}",
                                 days(std::chrono::floor<std::chrono::seconds>(fact.not_after - now)),
                                 utc_text(fact.not_after))));
            findings.back().repair = "see why it was not renewed";
            if (!fact.own_making) findings.back().commands.emplace_back("certbot renew --dry-run");
        } else if (!any_for_us) {
            findings.push_back(made("certificate", fact.file, Verdict::warn, title,
                                    fmt::format("it is for {}, not for {}, by which clients call this server",
                                                text::joined(fact.names, ", "), hostname)));
            findings.back().repair = "have it issued for " + hostname + ", too";
            findings.back().commands.push_back("certbot certonly -d " + hostname);
        } else if (fact.own_making) {
            findings.push_back(made("certificate", fact.file, Verdict::pass, title,
                                    "of our own making: clients of this machine are told not to verify it"));
        } else if (!fact.chain_fault.empty()) {
            findings.push_back(
                made("certificate", fact.file, Verdict::warn, title,
                     fmt::format("clients that verify do not trust it: {}", fact.chain_fault)));
            findings.back().repair =
                "name the file with the whole chain (certbot: fullchain.pem, not cert.pem)";
        } else {
            findings.push_back(
                made("certificate", fact.file, Verdict::pass, title,
                     fmt::format("for {}, valid for {}, with its chain and key", text::joined(fact.names, ", "),
                                 days(std::chrono::floor<std::chrono::seconds>(fact.not_after - now)))));
        }
        if (fact.exposed.empty()) continue;
        Finding& last = findings.back();
        last.verdict = std::max(last.verdict, Verdict::warn);
        last.detail += fmt::format("; its key {} may be read by {}", fact.key_file, fact.exposed);
        last.repair += (last.repair.empty() ? "" : "; ") + std::string("let nobody else read the key");
        last.commands.push_back("chmod 600 " + fact.key_file);
    }
    return findings;
}

// SD-30: a group of its own may read (certbot, docker secrets), the world never.
std::vector<Finding> judge_keys(const std::vector<FileFact>& facts) {
    std::vector<Finding> findings;
    for (const FileFact& fact : facts) {
        const std::string title = "Key file " + fact.path;
        if (!fact.fault.empty()) {
            findings.push_back(
                made("keys", fact.path, Verdict::fail, title, fact.what + " cannot be used: " + fact.fault));
            findings.back().repair = "mend the file, or the path in the configuration";
        } else if ((fact.mode & 0077) != 0) {
            findings.push_back(
                made("keys", fact.path, (fact.mode & 0007) != 0 ? Verdict::fail : Verdict::warn, title,
                     fmt::format("{} may be {} by {} (mode {:04o}, of {}): who has it can sign as you",
                                 fact.what, (fact.mode & 0022) != 0 ? "changed" : "read",
                                 (fact.mode & 0007) != 0 ? "everybody on this machine" : "its group",
                                 fact.mode & 07777, fact.owner)));
            findings.back().repair = "let its owner alone read it; where others could, make a new key";
            findings.back().commands.push_back("chmod 600 " + fact.path);
        } else {
            findings.push_back(made("keys", fact.path, Verdict::pass, title,
                                    fmt::format("{}: only {} may read it", fact.what, fact.owner)));
        }
    }
    return findings;
}

std::vector<Finding> judge_config(const ConfigFact& fact) {
    const std::string title = "Configuration " + fact.file;
    if (fact.problems.empty() && fact.warnings.empty())
        return {made("config", fact.file, Verdict::pass, title,
                     "it is complete, and every file it names can be read")};
    std::vector<std::string> all = fact.problems;
    all.insert(all.end(), fact.warnings.begin(), fact.warnings.end());
    Finding finding = made("config", fact.file, fact.problems.empty() ? Verdict::warn : Verdict::fail, title,
                           text::joined(all, "\n"));
    finding.repair = fact.problems.empty()
                         ? "each line says what to do"
                         : "the daemon does not start, or keeps its old configuration, until this is right";
    finding.commands.push_back("posthorn check-config --config " + fact.file);
    return {std::move(finding)};
}

std::vector<Finding> judge_users(const UsersFact& fact) {
    if (fact.file.empty())
        return {made("users", "none", Verdict::skipped, "Users",
                     "no users file is configured: nobody logs in with a password of it")};
    const std::string title = "Users " + fact.file;
    if (!fact.fault.empty()) {
        Finding broken = made("users", fact.file, Verdict::fail, title, fact.fault);
        broken.repair = "mend the file, or make it";
        broken.commands.emplace_back("posthorn user add NAME");
        return {std::move(broken)};
    }
    if (fact.users == 0) {
        Finding nobody =
            made("users", fact.file, Verdict::warn, title, "it has no user, so that nobody can log in");
        nobody.commands.emplace_back("posthorn user add NAME");
        nobody.repair = "add one, or take auth.users_file out";
        return {std::move(nobody)};
    }
    return {made("users", fact.file, Verdict::pass, title,
                 fmt::format("{} user{}", fact.users, fact.users == 1 ? "" : "s"))};
}

std::vector<Finding> judge_disk(const DiskFact& fact) {
    const std::string title = "Queue directory " + fact.directory;
    const auto one = [&](Verdict verdict, std::string detail, std::string repair) {
        Finding finding = made("disk", fact.directory, verdict, title, std::move(detail));
        finding.repair = std::move(repair);
        return std::vector<Finding>{std::move(finding)};
    };
    if (!fact.fault.empty())
        return one(Verdict::fail, fact.fault,
                   "make the directory, owned by Posthorn's user, or run this as that user or root");
    if (!fact.network_type.empty())
        return one(
            Verdict::fail,
            fmt::format("it is on {}, where the queue's database is not safe: mail can be lost or sent twice",
                        fact.network_type),
            "set queue.directory to a local disk");
    if (fact.read_only)
        return one(Verdict::fail, "its file system is mounted read-only",
                   "look at the kernel's log (dmesg), then mount it read-write");
    if (fact.free < fact.min_free)
        return one(
            Verdict::fail,
            fmt::format("{} are free, less than queue.min_free_space ({}): new mail is refused with 452",
                        size(fact.free), size(fact.min_free)),
            "make room on that disk");
    if (fact.inodes > 0 && fact.free_inodes * 100 < fact.inodes)
        return one(Verdict::warn, "less than one in a hundred inodes is free: soon no file can be made",
                   "remove small files on that disk");
    if (fact.free < 4 * fact.min_free || fact.free * 20 < fact.total)
        return one(Verdict::warn, fmt::format("{} of {} are free", size(fact.free), size(fact.total)),
                   "make room before new mail is refused");
    return one(Verdict::pass,
               fmt::format("{} of {} are free, on a local disk{}", size(fact.free), size(fact.total),
                           fact.missing ? "; the directory is made at the first start" : ""),
               "");
}

std::vector<Finding> judge_queue(const QueueFact& fact) {
    if (!fact.answered) {
        Finding alone =
            made("daemon", "daemon", Verdict::skipped, "Daemon", "it was not asked: " + fact.silence);
        alone.repair = "start it, if it is to run (in a container: start that)";
        alone.commands.emplace_back("systemctl start posthorn");
        return {std::move(alone),
                made("queue", "queue", Verdict::skipped, "Queue", "the daemon was not asked")};
    }
    std::vector<Finding> findings;
    if (fact.healthy) {
        findings.push_back(made("daemon", "daemon", Verdict::pass, "Daemon", "it runs and is well"));
    } else {
        findings.push_back(made("daemon", "daemon", Verdict::fail, "Daemon",
                                "it takes and delivers no mail: " + fact.reason));
        findings.back().repair = "mend what it names; it goes on by itself";
    }
    constexpr std::chrono::hours kOld{4}, kVeryOld{24};
    const auto hours = std::chrono::duration_cast<std::chrono::hours>(fact.oldest).count();
    const std::string waiting =
        fact.waiting == 0
            ? "no mail waits"
            : fmt::format("{} recipient{} wait{}, the oldest for {}", fact.waiting,
                          fact.waiting == 1 ? "" : "s", fact.waiting == 1 ? "s" : "",
                          hours > 0 ? fmt::format("{} h", hours) : std::string("less than an hour"));
    const bool held = !fact.suspended.empty();
    Verdict verdict = held || (fact.waiting > 0 && fact.oldest > kVeryOld) ? Verdict::fail
                      : fact.waiting > 0 && fact.oldest > kOld             ? Verdict::warn
                                                                           : Verdict::pass;
    if (!fact.alarms.empty()) verdict = std::max(verdict, Verdict::warn);
    std::string detail = waiting;
    for (const std::string& pair : fact.suspended) detail += "\n  held: " + pair;
    for (const std::string& alarm : fact.alarms) detail += "\n  alarm: " + alarm;
    findings.push_back(made("queue", "queue", verdict, "Queue", detail));
    if (verdict == Verdict::pass) return findings;
    findings.back().repair = held ? "mend what the refusals complain of (the other findings say what); held "
                                    "mail then leaves by itself"
                                  : "see why it waits";
    findings.back().commands.emplace_back(held ? "posthorn status" : "posthorn mailq");
    return findings;
}

}  // namespace posthorn::doctor
