// Looks at /proc/self and statvfs, under the names that Prometheus' own client libraries use for processes.
#include "app/vital_signs.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sqlite3.h>

#include "base/descriptor.hpp"

namespace posthorn::app {
namespace {

std::string text_of(const char* path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

// The n-th word, from 0; 0 where there is none. What stands before the last ')' is the program's name, which may have blanks.
double word(std::string_view line, std::size_t n) {
    if (const auto name = line.rfind(')'); name != std::string_view::npos) line.remove_prefix(std::min(line.size(), name + 2));
    for (; n > 0; --n) {
        const auto blank = line.find(' ');
        if (blank == std::string_view::npos) return 0;
        line.remove_prefix(blank + 1);
    }
    std::uint64_t value = 0;
    std::from_chars(line.data(), line.data() + line.size(), value);
    return static_cast<double>(value);
}

// Without the one that reads them. -1: /proc is not there for us.
double open_descriptors() {
    DIR* directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) return -1;
    int count = -1;
    while (const dirent* entry = ::readdir(directory))
        if (entry->d_name[0] != '.') ++count;
    ::closedir(directory);
    return count;
}

double seconds_of(const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; }

// Words 3 and on of proc(5)'s stat, as word() counts them behind the name.
constexpr std::size_t kStatThreads = 17, kStatStart = 19;

double started_at(std::string_view stat) {
    std::istringstream machine(text_of("/proc/stat"));
    for (std::string key; machine >> key;) {
        double value = 0;
        if (key == "btime" && machine >> value) return value + word(stat, kStatStart) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    }
    return 0;
}

void add_process(std::vector<Metric>& all) {
    using enum MetricKind;
    const std::string memory = text_of("/proc/self/statm"), stat = text_of("/proc/self/stat");
    const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
    rusage use{};
    ::getrusage(RUSAGE_SELF, &use);
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    all.emplace_back("process_cpu_seconds_total", counter, "Time that cores spent with the process, for it and for the kernel.",
                     seconds_of(use.ru_utime) + seconds_of(use.ru_stime));
    all.emplace_back("process_start_time_seconds", gauge, "When it began, in seconds since 1970.", started_at(stat));
    all.emplace_back("process_resident_memory_bytes", gauge, "Memory in use.", word(memory, 1) * page);
    all.emplace_back("process_virtual_memory_bytes", gauge, "Addresses in use.", word(memory, 0) * page);
    all.emplace_back("process_open_fds", gauge, "Descriptors open.", open_descriptors());
    all.emplace_back("process_max_fds", gauge, "Descriptors that may be open.", static_cast<double>(files.rlim_cur));
    all.emplace_back("process_threads", gauge, "Threads.", word(stat, kStatThreads));
}

constexpr std::size_t kTriedOctets = 4096;

// Why mail could not be stored in the directory now; empty: it could.
std::string disk_fault(const std::string& directory, std::uint64_t min_free_space) {
    struct statvfs space {};
    if (::statvfs(directory.c_str(), &space) == 0 && std::uint64_t{space.f_bavail} * space.f_frsize < min_free_space)
        return fmt::format("less than queue.min_free_space ({} octets) is free in {}", min_free_space, directory);
    const std::string path = directory + "/.write-test";
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    const std::string octets(kTriedOctets, '\0');
    bool works = static_cast<bool>(file);
    for (std::size_t left = octets.size(); works && left > 0;) {
        const ssize_t count = ::write(file.get(), octets.data(), left);
        works = count >= 0 || errno == EINTR;
        left -= static_cast<std::size_t>(std::max<ssize_t>(count, 0));
    }
    std::string fault = works && ::fdatasync(file.get()) == 0 ? std::string() : fmt::format("cannot write in {}: {}", directory, std::strerror(errno));
    ::unlink(path.c_str());
    return fault;
}

}  // namespace

struct VitalSigns::Seen {
    std::optional<queue::IdleCounts> idle;
    std::optional<struct statvfs> disk;
    bool looking_at_disk = false;
    bool counting = false;
    std::vector<UniqueFunction<void(std::string)>> asked;   // by try_disk(); not empty: a try is under way
};

VitalSigns::VitalSigns(net::asio::io_context& home, net::asio::thread_pool& disk, queue::QueueStore& store, std::string queue_directory)
    : home_(home), disk_(disk), store_(store), directory_(std::move(queue_directory)), timer_(home), seen_(std::make_shared<Seen>()) {}

VitalSigns::~VitalSigns() = default;

void VitalSigns::start() {
    look();
    timer_.expires_after(kLookInterval);
    timer_.async_wait([this](const net::error_code& error) {
        if (!error) start();
    });
}

void VitalSigns::stop() { timer_.cancel(); }

// A look that does not come back, at a volume that hangs, is not followed by others.
void VitalSigns::look() {
    if (!std::exchange(seen_->looking_at_disk, true)) {
        net::asio::post(disk_, [&home = home_, seen = seen_, directory = directory_]() mutable {
            struct statvfs status {};
            const bool fine = ::statvfs(directory.c_str(), &status) == 0;
            net::asio::post(home, [seen = std::move(seen), fine, status] {
                seen->looking_at_disk = false;
                if (fine) seen->disk = status;
                else seen->disk.reset();
            });
        });
    }
    if (!std::exchange(seen_->counting, true)) {
        store_.idle([&home = home_, seen = seen_](queue::StoreResult<queue::IdleCounts> counts) mutable {
            net::asio::post(home, [seen = std::move(seen), counts] {
                seen->counting = false;
                if (counts) seen->idle = *counts;
                else seen->idle.reset();
            });
        });
    }
}

void VitalSigns::try_disk(std::uint64_t min_free_space, UniqueFunction<void(std::string)> done) {
    seen_->asked.push_back(std::move(done));
    if (seen_->asked.size() > 1) return;
    net::asio::post(disk_, [&home = home_, seen = seen_, directory = directory_, min_free_space]() mutable {
        std::string fault = disk_fault(directory, min_free_space);
        net::asio::post(home, [seen = std::move(seen), fault = std::move(fault)] {
            for (auto& asked : std::exchange(seen->asked, {})) asked(fault);
        });
    });
}

std::vector<Metric> VitalSigns::metrics() const {
    using enum MetricKind;
    std::vector<Metric> all;
    std::vector<Metric::Sample> build, states, free, size;
    build.push_back({{{"version", POSTHORN_VERSION}, {"compiler", __VERSION__}, {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
                      {"sqlite", sqlite3_libversion()}},
                     1.0});
    all.emplace_back("posthorn_build_info", gauge, "1; its labels say what runs.", std::move(build));
    if (seen_->idle) {
        const auto held = static_cast<double>(seen_->idle->held), suspended = static_cast<double>(seen_->idle->suspended);
        const auto waiting = static_cast<double>(store_.health().recipients) - held - suspended;
        states.push_back({{{"state", "waiting"}}, std::max(0.0, waiting)});
        states.push_back({{{"state", "held"}}, held});
        states.push_back({{{"state", "suspended"}}, suspended});
    }
    all.emplace_back("posthorn_queue_recipients_by_state", gauge,
                     "Recipients in the queue: waiting for their time, held by an operator, suspended with their user.", std::move(states));
    if (seen_->disk) {
        const auto block = static_cast<double>(seen_->disk->f_frsize);
        free.push_back({{}, static_cast<double>(seen_->disk->f_bavail) * block});
        size.push_back({{}, static_cast<double>(seen_->disk->f_blocks) * block});
    }
    all.emplace_back("posthorn_queue_disk_free_bytes", gauge, "What the file system of the queue has left for us.", std::move(free));
    all.emplace_back("posthorn_queue_disk_size_bytes", gauge, "Size of that file system.", std::move(size));
    all.emplace_back("posthorn_loop_lateness_seconds", "How much later than asked a timer of the home shard came, ten times a second: for so "
                     "long nobody there was served.", lateness_);
    add_process(all);
    return all;
}

}  // namespace posthorn::app
