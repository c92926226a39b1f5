// One coroutine attends to each spool: it opens it, scans it, and begins what arrives; another forgets old keys.
#include "app/pickup.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "app/pickup_state.hpp"
#include "base/log.hpp"
#include "net/offload.hpp"

namespace posthorn::app {
namespace {

constexpr std::size_t kNamesAtOnce = 256;
constexpr Duration kForgetInterval = std::chrono::hours(1);
constexpr Duration kFirstForget = std::chrono::minutes(5);  // a start has better things to do
constexpr std::size_t kKeysAtOnce = 1000;

struct Opening {
    std::shared_ptr<SpoolDirectory> files;
    std::string trouble;
    bool missing = false;
};

Opening open_spool(const std::string& path) {
    Opening opening;
    Result<std::shared_ptr<SpoolDirectory>> opened = SpoolDirectory::open(path);
    if (opened) {
        opening.files = std::move(*opened);
        return opening;
    }
    opening.trouble = opened.error().what;
    struct stat status {};
    opening.missing = ::stat(path.c_str(), &status) != 0 && errno == ENOENT;
    return opening;
}

struct Names {
    std::vector<std::string> names;
    bool whole = true;
};

auto forget(queue::QueueStore& store, net::asio::io_context& home, std::vector<std::string> keys) {
    return net::asio::async_initiate<const net::asio::deferred_t&, void(queue::StoreResult<std::uint64_t>)>(
        [&store, &home](auto handler, std::vector<std::string> forgotten) {
            store.forget_pickups(std::move(forgotten),
                                 [&home, handler = std::move(handler)](queue::StoreResult<std::uint64_t> done) mutable {
                                     net::asio::post(home, [handler = std::move(handler), done = std::move(done)]() mutable {
                                         std::move(handler)(std::move(done));
                                     });
                                 });
        },
        net::asio::deferred, std::move(keys));
}

auto page_of_pickups(queue::QueueStore& store, net::asio::io_context& home, std::string after) {
    using Page = queue::StoreResult<std::vector<queue::Pickup>>;
    return net::asio::async_initiate<const net::asio::deferred_t&, void(Page)>(
        [&store, &home](auto handler, std::string from) {
            store.pickups(std::move(from), kKeysAtOnce, [&home, handler = std::move(handler)](Page page) mutable {
                net::asio::post(home, [handler = std::move(handler), page = std::move(page)]() mutable {
                    std::move(handler)(std::move(page));
                });
            });
        },
        net::asio::deferred, std::move(after));
}

}  // namespace

Pickup::Pickup(net::asio::io_context& home, net::asio::thread_pool& disk, smtp::server::Server& server,
               smtp::server::Postbox& postbox, queue::QueueStore& store, delivery::DeliveryAgent& agent)
    : home_(home),
      disk_(disk),
      server_(server),
      postbox_(postbox),
      store_(store),
      agent_(agent),
      tasks_(home.get_executor(), "pickup"),
      hour_(home.get_executor()) {}

Pickup::~Pickup() = default;

void Pickup::serve(Wanted wanted) {
    wanted_ = std::move(wanted);
    if (stopping_) return;
    for (auto it = spools_.begin(); it != spools_.end();) {
        if (std::find(wanted_.directories.begin(), wanted_.directories.end(), it->first) != wanted_.directories.end()) {
            ++it;
            continue;
        }
        it->second->ended = true;
        if (it->second->watch) it->second->watch->close();
        it->second->wake.notify();
        it->second->room.notify();
        it = spools_.erase(it);
    }
    for (const std::string& path : wanted_.directories) {
        SpoolPtr& spool = spools_[path];
        if (spool) continue;
        spool = std::make_shared<Spool>(path, home_);
        tasks_.spawn(attend(spool));
    }
    if (std::exchange(started_, true)) {
        hour_.notify();  // old keys are looked at now
    } else {
        tasks_.spawn(forget_old());
    }
}

void Pickup::stop() {
    stopping_ = true;
    for (const auto& [path, spool] : spools_) {
        if (spool->watch) spool->watch->close();
        spool->wake.notify();
        spool->room.notify();
    }
    hour_.notify();
    tasks_.request_stop();
}

net::awaitable<void> Pickup::attend(SpoolPtr spool) {
    while (!stopping_ && !spool->ended) {
        const SteadyTime next = std::chrono::steady_clock::now() + wanted_.options.scan_interval;
        spool->look_again = false;
        bool opened = spool->files != nullptr;
        if (!opened) opened = co_await open(spool);
        if (opened) co_await scan(spool);
        while (!stopping_ && !spool->ended && !spool->look_again) {
            if (!spool->arrived.empty() && spool->files) {
                std::string name = std::move(spool->arrived.front());
                spool->arrived.pop_front();
                co_await begin(spool, std::move(name));
                continue;
            }
            const bool told = co_await spool->wake.wait_until(next);
            if (!told) break;
        }
    }
}

net::awaitable<bool> Pickup::open(SpoolPtr spool) {
    auto work = [path = spool->path] { return open_spool(path); };
    Opening opening = co_await net::offload(files_, std::move(work));
    spool->missing = opening.missing;
    if (!opening.files) {
        if (opening.trouble != spool->trouble) {
            spool->trouble = opening.trouble;
            log::Event event(opening.missing ? log::Level::info : log::Level::warning, "spool_closed");
            event.kv("spool", spool->path).kv("reason", opening.trouble)
                .kv("meaning", "what the sendmail program leaves there is not picked up; it is looked at again at each scan");
        }
        co_return false;
    }
    spool->trouble.clear();
    spool->files = std::move(opening.files);
    for (const std::string& warning : spool->files->warnings()) log::warning("spool").kv("spool", spool->path).kv("warning", warning);
    // Before the first look, so that nothing comes between them.
    Result<net::DirectoryWatch> watch = net::DirectoryWatch::open(home_, spool->path + "/new");
    if (watch) {
        spool->watch = std::make_shared<net::DirectoryWatch>(std::move(*watch));
        tasks_.spawn(listen(spool));
    } else if (!std::exchange(spool->unwatched_told, true)) {
        log::warning("spool").kv("spool", spool->path).kv("warning", watch.error().what)
            .kv("meaning", "mail that is left there waits for the next scan (pickup.scan_interval)");
    }
    log::info("spool").kv("spool", spool->path).kv("meaning", "is served");
    co_return true;
}

// Ends with the watch; when the directory went away, it is opened anew.
net::awaitable<void> Pickup::listen(SpoolPtr spool) {
    const std::shared_ptr<net::DirectoryWatch> watch = spool->watch;
    for (bool ended = false; !ended;) {
        net::DirectoryWatch::Arrivals arrivals = co_await watch->next();
        ended = arrivals.ended;
        if (stopping_ || spool->ended) co_return;
        for (std::string& name : arrivals.names) {
            if (spool->arrived.size() < kMostArrivals) {
                if (name.front() != '.') spool->arrived.push_back(std::move(name));
            } else {
                arrivals.overrun = true;
            }
        }
        if (arrivals.overrun || ended) spool->look_again = true;
        if (ended && spool->watch == watch) {
            spool->watch.reset();
            spool->files.reset();
        }
        spool->wake.notify();
    }
}

net::awaitable<void> Pickup::scan(SpoolPtr spool) {
    const TimePoint began = wall_now();
    const std::uint64_t number = ++spool->scans;
    const std::shared_ptr<SpoolDirectory> files = spool->files;
    auto look = [files] { return files->is_current(); };
    const bool current = co_await net::offload(files_, std::move(look));
    if (!current) {
        if (spool->watch) spool->watch->close();
        spool->watch.reset();
        spool->files.reset();
        spool->look_again = true;   // attend() opens it anew
        co_return;
    }
    auto clear = [files, began, after = wanted_.options.abandoned_after] { return files->clear_abandoned(began, after); };
    const std::size_t cleared = co_await net::offload(files_, std::move(clear));
    if (cleared > 0) {
        log::info("spool").kv("spool", spool->path).kv("removed", static_cast<std::uint64_t>(cleared))
            .kv("meaning", "unfinished files of programs that ended before they had written them");
    }
    auto begin_walk = [files] { return files->walk(); };
    Result<SpoolDirectory::Walk> begun = co_await net::offload(files_, std::move(begin_walk));
    if (!begun) {
        if (spool->trouble_told.happened(std::chrono::steady_clock::now()))
            log::warning("spool").kv("spool", spool->path).kv("warning", begun.error().what);
        co_return;
    }
    const auto walk = std::make_shared<SpoolDirectory::Walk>(std::move(*begun));
    bool whole = true;
    for (bool more = true; more;) {
        auto next = [walk, files] {
            Names found;
            found.whole = walk->next(found.names, kNamesAtOnce);
            return found;
        };
        Names found = co_await net::offload(files_, std::move(next));
        more = !found.names.empty();
        whole = whole && found.whole;
        for (std::string& name : found.names) {
            // What arrives does not wait for the end of a long walk, nor the walk for who leaves files without end: in turns.
            if (!spool->arrived.empty()) {
                std::string arrived = std::move(spool->arrived.front());
                spool->arrived.pop_front();
                co_await begin(spool, std::move(arrived));
            }
            co_await begin(spool, std::move(name));
            if (stopping_ || spool->ended || !spool->files) co_return;
        }
    }
    if (!whole) co_return;
    spool->scanned = began;
    std::erase_if(spool->left, [number](const auto& left) { return left.second.seen != number; });
}

net::awaitable<void> Pickup::begin(SpoolPtr spool, std::string name) {
    if (spool->in_hand.contains(name)) co_return;
    if (const auto left = spool->left.find(name); left != spool->left.end()) left->second.seen = spool->scans;
    while (spool->in_hand.size() >= kAtOnce && !stopping_ && !spool->ended) co_await spool->room.wait();
    if (stopping_ || spool->ended || !spool->files) co_return;
    spool->in_hand.insert(name);
    tasks_.spawn(take(spool, std::move(name)));
}

net::awaitable<void> Pickup::take(SpoolPtr spool, std::string name) {
    struct Place {
        Spool& spool;
        const std::string& name;
        Place(Spool& of, const std::string& entry) : spool(of), name(entry) {}
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        ~Place() {
            spool.in_hand.erase(name);
            spool.room.notify();
        }
    };
    const Place place(*spool, name);
    const End end = co_await deal_with(spool, name);
    if (end == End::gone || end == End::taken) spool->left.erase(name);
}

// Removals are on disk before their keys are forgotten: no power cut may bring a file back whose key is gone. What is removed
// while one sync runs gathers for the next.
net::awaitable<void> Pickup::settle(SpoolPtr spool) {
    while (!spool->removed.empty()) {
        std::vector<std::string> keys = std::exchange(spool->removed, {});
        auto work = [files = spool->files] { return files && files->sync(); };
        const bool synced = co_await net::offload(files_, std::move(work));
        // Where it failed, they are forgotten when they are old.
        if (synced) co_await forget(store_, home_, std::move(keys));
    }
    spool->settling = false;
}

bool Pickup::present(std::string_view name) const {
    const std::string text(name);
    return std::any_of(spools_.begin(), spools_.end(), [&](const auto& entry) {
        const Spool& spool = *entry.second;
        return spool.left.contains(text) || spool.in_hand.contains(name) ||
               std::find(spool.arrived.begin(), spool.arrived.end(), name) != spool.arrived.end();
    });
}

net::awaitable<void> Pickup::forget_old() {
    SteadyTime next = std::chrono::steady_clock::now() + kFirstForget;
    while (!stopping_) {
        co_await hour_.wait_until(next);
        if (stopping_) co_return;
        next = std::chrono::steady_clock::now() + kForgetInterval;
        const TimePoint now = wall_now();
        intake::LastScan scan;
        scan.began = now;
        bool countless = false;
        for (const auto& [path, spool] : spools_) {
            if (!spool->missing) scan.began = std::min(scan.began, spool->scanned);
            countless = countless || spool->left.size() >= kMostLeft;
        }
        scan.present = [this](std::string_view name) { return present(name); };
        std::uint64_t forgotten = 0;
        std::string after;
        for (bool more = !countless; more && !stopping_;) {
            queue::StoreResult<std::vector<queue::Pickup>> page = co_await page_of_pickups(store_, home_, after);
            more = page && page->size() == kKeysAtOnce;
            if (!page || page->empty()) break;
            after = page->back().key;
            std::vector<std::string> keys = intake::forgettable(*page, scan, now);
            if (keys.empty()) continue;
            const queue::StoreResult<std::uint64_t> done = co_await forget(store_, home_, std::move(keys));
            if (done) forgotten += *done;
        }
        if (forgotten > 0) log::debug("pickups_forgotten").kv("count", forgotten);
    }
}

PickupFigures Pickup::figures() const {
    PickupFigures figures = counted_;
    const TimePoint now = wall_now();
    for (const auto& [path, spool] : spools_) {
        (spool->files ? figures.spools : figures.closed) += 1;
        figures.waiting += spool->left.size();
        for (const std::string& name : spool->in_hand) figures.waiting += spool->left.contains(name) ? 0 : 1;
        for (const auto& [name, left] : spool->left) {
            figures.stuck += left.stuck ? 1 : 0;
            figures.oldest = std::max(figures.oldest, std::chrono::duration_cast<Duration>(now - left.modified));
        }
    }
    return figures;
}

std::vector<std::string> spool_directories(const intake::IntakeOptions& options) {
    std::vector<std::string> all;
    const auto add = [&all](std::string path) {
        if (!path.empty() && std::find(all.begin(), all.end(), path) == all.end()) all.push_back(std::move(path));
    };
    add(options.pickup.directory);
    for (const intake::SiteOptions& site : options.sites) add(site.spool);
    return all;
}

}  // namespace posthorn::app
