// One table in one sqlite file; writes wait in a map until the pool takes all of them at once.
#include "delivery/memory.hpp"

#include <sqlite3.h>

#include <boost/asio/post.hpp>

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/bound.hpp"
#include "base/log.hpp"
#include "queue/sqlite/database.hpp"

namespace posthorn::delivery {
namespace {

using queue::sqlite::Connection;
using queue::sqlite::Role;
using queue::sqlite::SqliteFailure;
using queue::sqlite::Statement;

constexpr std::int64_t kSchemaVersion = 1;
constexpr const char* kSchema =
    "CREATE TABLE remembered (kind TEXT NOT NULL, key TEXT NOT NULL, expires INTEGER NOT NULL, value BLOB NOT NULL, "
    "PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX remembered_expires ON remembered (kind, expires);";
constexpr int kCacheKib = 1024;
constexpr Duration kMemorySweepInterval = std::chrono::hours(1);
constexpr Duration kReopenInterval = std::chrono::minutes(1);

bool is_damage(const SqliteFailure& failure) {
    const int primary = failure.code & 0xff;
    return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_FORMAT || primary == SQLITE_SCHEMA;
}

// Without the name that sqlite's failures have in the queue.
std::string_view plain(std::string_view what) {
    constexpr std::string_view kQueue = "queue database: ";
    return what.starts_with(kQueue) ? what.substr(kQueue.size()) : what;
}

}  // namespace

struct DeliveryMemory::State {
    using Key = std::pair<std::string, std::string>;      // kind, key
    struct Write {
        std::string value;
        TimePoint expires{};
    };
    using Writes = std::map<Key, std::optional<Write>>;   // nothing: erase

    State(std::string file, boost::asio::thread_pool& threads) : path(std::move(file)), pool(threads) {}

    const std::string path;
    boost::asio::thread_pool& pool;

    std::mutex pending_mutex;                  // of what follows
    Writes pending;
    bool write_posted = false;
    bool stopped = false;

    std::mutex disk_mutex;                     // of what follows; taken before pending_mutex
    std::unique_ptr<Connection> connection;    // null: cannot be opened now
    std::map<std::string, std::size_t, std::less<>> upper_count;      // of rows, by kind; an upsert counts as a row
    SteadyTime opened_at{};
    TimePoint swept{};
    bool trouble_said = false;

    void add(Key key, std::optional<Write> write, const std::shared_ptr<State>& self);
    bool open();
    void open_or_throw();
    void begin_anew(const std::string& why);
    bool write_pending();
    void carry_out(const Writes& writes);
    void keep_bound(const std::string& kind);
    void say_trouble(const std::string& what);
};

void DeliveryMemory::State::add(Key key, std::optional<Write> write, const std::shared_ptr<State>& self) {
    const std::lock_guard lock(pending_mutex);
    if (!stopped && pending.size() >= kMaxPending) note_reached(Bound::memory_writes);
    if (stopped || pending.size() >= kMaxPending) return;
    pending.insert_or_assign(std::move(key), std::move(write));
    if (std::exchange(write_posted, true)) return;
    boost::asio::post(pool, [self] {
        const std::lock_guard disk(self->disk_mutex);
        self->write_pending();
    });
}

void DeliveryMemory::State::say_trouble(const std::string& what) {
    if (std::exchange(trouble_said, true)) return;
    log::error("delivery_memory").kv("file", path).kv("reason", plain(what))
        .kv("meaning", "delivery goes on; what it learns now (MTA-STS policies, TLS results) is lost at a restart");
}

void DeliveryMemory::State::open_or_throw() {
    connection.reset();
    auto fresh = std::make_unique<Connection>(path, std::string(), Role::writer, kCacheKib);
    // A power cut may take the last writes: it is only a memory, so no commit waits for the disk.
    fresh->execute("PRAGMA synchronous=NORMAL");
    fresh->execute("PRAGMA wal_autocheckpoint=500");
    fresh->execute("PRAGMA journal_size_limit=4194304");
    const std::int64_t version = fresh->value("PRAGMA user_version");
    if (version == 0) {
        fresh->execute("BEGIN IMMEDIATE");
        fresh->execute(kSchema);
        fresh->execute(("PRAGMA user_version=" + std::to_string(kSchemaVersion)).c_str());
        fresh->execute("COMMIT");
    } else if (version != kSchemaVersion) {
        throw SqliteFailure(SQLITE_FORMAT, "its schema has version " + std::to_string(version) + ", this program knows " +
                                               std::to_string(kSchemaVersion));
    }
    if (const std::string check = fresh->text("PRAGMA quick_check(1)"); check != "ok") throw SqliteFailure(SQLITE_CORRUPT, check);
    upper_count.clear();
    Statement counts(*fresh, "SELECT kind, count(*) FROM remembered GROUP BY kind");
    while (counts.step()) upper_count[counts.text(0)] = static_cast<std::size_t>(counts.integer(1));
    connection = std::move(fresh);
}

void DeliveryMemory::State::begin_anew(const std::string& why) {
    connection.reset();
    const std::string aside = path + ".damaged";
    std::error_code failed;
    std::filesystem::rename(path, aside, failed);
    for (const char* tail : {"-wal", "-shm"}) {
        std::error_code ignored;
        std::filesystem::remove(path + tail, ignored);
    }
    log::warning("delivery_memory").kv("file", path).kv("reason", plain(why))
        .kv("moved_to", failed ? "nowhere: " + failed.message() : aside)
        .kv("meaning", "begun anew; MTA-STS policies are fetched again, TLS results not yet reported are lost");
}

bool DeliveryMemory::State::open() {
    opened_at = std::chrono::steady_clock::now();
    for (int attempt = 0; attempt < 2; ++attempt) {
        try {
            open_or_throw();
            return true;
        } catch (const SqliteFailure& failure) {
            if (!is_damage(failure) || attempt > 0) {
                say_trouble(failure.what());
                break;
            }
            begin_anew(failure.what());
        }
    }
    connection.reset();
    return false;
}

void DeliveryMemory::State::keep_bound(const std::string& kind) {
    std::size_t& count = upper_count[kind];
    if (count <= kMaxOfKind) return;
    Statement counted(*connection, "SELECT count(*) FROM remembered WHERE kind=?1");
    counted.bind_text(1, kind).step();
    count = static_cast<std::size_t>(counted.integer(0));
    counted.reset();
    if (count <= kMaxOfKind) return;
    note_reached(Bound::memory_entries);
    // Some more than must go, so that this is not done for every row that comes.
    const std::size_t excess = count - kMaxOfKind + kMaxOfKind / 20;
    Statement away(*connection,
                   "DELETE FROM remembered WHERE kind=?1 AND key IN "
                   "(SELECT key FROM remembered WHERE kind=?1 ORDER BY expires LIMIT ?2)");
    away.bind_text(1, kind).bind(2, static_cast<std::int64_t>(excess)).run();
    count -= excess;
}

void DeliveryMemory::State::carry_out(const Writes& writes) {
    connection->execute("BEGIN IMMEDIATE");
    const TimePoint now = wall_now();
    if (now - swept >= kMemorySweepInterval || now < swept) {
        Statement expired(*connection, "DELETE FROM remembered WHERE expires<=?1");
        expired.bind(1, now).run();
        swept = now;
    }
    Statement put(*connection,
                  "INSERT INTO remembered (kind, key, expires, value) VALUES (?1, ?2, ?3, ?4) "
                  "ON CONFLICT (kind, key) DO UPDATE SET expires=excluded.expires, value=excluded.value");
    Statement away(*connection, "DELETE FROM remembered WHERE kind=?1 AND key=?2");
    std::string last_kind;
    for (const auto& [key, write] : writes) {
        if (!write) {
            away.bind_text(1, key.first).bind_text(2, key.second).run();
            continue;
        }
        put.bind_text(1, key.first).bind_text(2, key.second).bind(3, write->expires).bind_blob(4, write->value).run();
        ++upper_count[key.first];
        if (key.first != last_kind && !last_kind.empty()) keep_bound(last_kind);      // the map has kinds together
        last_kind = key.first;
    }
    if (!last_kind.empty()) keep_bound(last_kind);
    connection->execute("COMMIT");
}

// REQUIRES: disk_mutex is held. False: what was pending is not on disk and will not be.
bool DeliveryMemory::State::write_pending() {
    Writes writes;
    {
        const std::lock_guard lock(pending_mutex);
        writes.swap(pending);
        write_posted = false;
    }
    if (writes.empty()) return true;
    if (!connection && (std::chrono::steady_clock::now() - opened_at < kReopenInterval || !open())) return false;
    for (int attempt = 0; attempt < 2; ++attempt) {
        try {
            carry_out(writes);
            if (std::exchange(trouble_said, false)) log::info("delivery_memory").kv("file", path).kv("meaning", "is written again");
            return true;
        } catch (const SqliteFailure& failure) {
            connection->roll_back();
            if (!is_damage(failure) || attempt > 0) {
                say_trouble(failure.what());
                return false;
            }
            begin_anew(failure.what());
            if (!open()) return false;
        }
    }
    return false;
}

DeliveryMemory::DeliveryMemory(const std::string& directory, boost::asio::thread_pool& pool)
    : state_(std::make_shared<State>(directory + "/delivery.sqlite", pool)) {
    const std::lock_guard disk(state_->disk_mutex);
    state_->open();
}

DeliveryMemory::~DeliveryMemory() { stop(); }

std::vector<Remembered> DeliveryMemory::load(std::string_view kind, TimePoint now) {
    const std::lock_guard disk(state_->disk_mutex);
    state_->write_pending();
    std::vector<Remembered> all;
    if (!state_->connection) return all;
    try {
        Statement rows(*state_->connection, "SELECT key, value, expires FROM remembered WHERE kind=?1 AND expires>?2 ORDER BY key");
        rows.bind_text(1, kind).bind(2, now);
        while (rows.step()) all.push_back(Remembered{rows.text(0), rows.text(1), rows.time(2)});
    } catch (const SqliteFailure& failure) {
        // What was read until then is good: sqlite gives no rows of a page it found wrong.
        if (is_damage(failure)) {
            state_->begin_anew(failure.what());
            state_->open();
        } else {
            state_->say_trouble(failure.what());
        }
    }
    return all;
}

void DeliveryMemory::put(std::string_view kind, std::string key, std::string value, TimePoint expires) {
    if (value.size() > kMaxValue) return;
    state_->add({std::string(kind), std::move(key)}, State::Write{std::move(value), expires}, state_);
}

void DeliveryMemory::erase(std::string_view kind, std::string key) {
    state_->add({std::string(kind), std::move(key)}, std::nullopt, state_);
}

bool DeliveryMemory::put_now(std::string_view kind, std::string key, std::string value, TimePoint expires) {
    if (value.size() > kMaxValue) return false;
    // Nobody else takes the write meanwhile, so that what becomes of it is known here.
    const std::lock_guard disk(state_->disk_mutex);
    {
        const std::lock_guard lock(state_->pending_mutex);
        if (state_->stopped || state_->pending.size() >= kMaxPending) return false;
        state_->pending.insert_or_assign({std::string(kind), std::move(key)}, State::Write{std::move(value), expires});
    }
    return state_->write_pending();
}

void DeliveryMemory::stop() {
    {
        const std::lock_guard lock(state_->pending_mutex);
        if (std::exchange(state_->stopped, true)) return;
    }
    const std::lock_guard disk(state_->disk_mutex);
    state_->write_pending();
    state_->connection.reset();
}

}  // namespace posthorn::delivery
