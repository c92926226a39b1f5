// The sqlite store put together: lock, schema, threads, and the contract's methods handed to them.
#include "queue/sqlite/sqlite_store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "queue/body_spool.hpp"
#include "queue/sqlite/checkpointer.hpp"
#include "queue/sqlite/queue_lock.hpp"
#include "queue/sqlite/reader.hpp"
#include "queue/sqlite/schema.hpp"
#include "queue/sqlite/upgrade.hpp"
#include "queue/sqlite/writer.hpp"

namespace posthorn::queue::sqlite {

namespace {

// How many destinations are looked at in one start, to forget those that nobody writes to any more.
constexpr std::int64_t kSweptDestinations = 10'000;

std::string cannot(std::string_view what, const std::string& path) {
    return "cannot " + std::string(what) + " " + path + ": " + std::strerror(errno);
}

Result<void> make_directories(const std::string& path) {
    for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        const std::string part = path.substr(0, slash);
        if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
            const bool denied = errno == EACCES;
            const std::string what = cannot("create the directory", part);
            return Error{denied ? what + "; as root: install -d -m 0700 -o " + std::to_string(::geteuid()) +
                                      " " + path
                                : what};
        }
        if (slash == std::string::npos) {
            return {};
        }
    }
}

// The directory entry of a new database is synced before anybody is told that mail is safe in it.
void sync_directory(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        ::fsync(fd);
        ::close(fd);
    }
}

// All spool files, and the end of unfinished ones (temporary names of file systems without O_TMPFILE).
std::vector<QueueId> list_spool(const std::string& spool) {
    std::vector<QueueId> found;
    const auto each = [](const std::string& directory, auto visit) {
        if (DIR* dir = ::opendir(directory.c_str())) {
            while (const dirent* entry = ::readdir(dir)) {
                visit(std::string(entry->d_name));
            }
            ::closedir(dir);
        }
    };
    each(spool, [&](const std::string& bucket) {
        if (bucket.size() != 2 || bucket == "..") {
            return;
        }
        each(spool + "/" + bucket, [&](const std::string& name) {
            if (name.starts_with(".tmp-")) {
                ::unlink((spool + "/" + bucket + "/" + name).c_str());
            } else if (const auto id = QueueId::parse(name); id && spool_name(*id) == bucket + "/" + name) {
                found.push_back(*id);
            }
        });
    });
    return found;
}

// Before the first operation, so that no id in use can change its meaning: recipients removed while a
// delivery had them go, and destinations without mail are forgotten, a bounded number per start.
void tidy(Connection& connection) {
    connection.execute("BEGIN IMMEDIATE");
    try {
        {
            std::vector<std::int64_t> messages;
            Statement removed(connection,
                              "SELECT DISTINCT message_id FROM recipient WHERE state <> 0 AND state = 2");
            while (removed.step()) {
                messages.push_back(removed.integer(0));
            }
            removed.reset();
            Statement recipients(connection, "DELETE FROM recipient WHERE message_id = ? AND state = 2");
            Statement message(connection,
                              "DELETE FROM message WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM recipient "
                              "WHERE message_id = ?1)");
            Statement body(connection,
                           "DELETE FROM body WHERE message_id = ?1 AND NOT EXISTS (SELECT 1 FROM message "
                           "WHERE id = ?1)");
            for (const std::int64_t id : messages) {
                recipients.bind(1, id).run();
                message.bind(1, id).run();
                body.bind(1, id).run();
            }
        }
        const std::int64_t from =
            connection.value("SELECT value FROM meta WHERE name = 'destinations_swept'");
        Statement last(connection,
                       "SELECT max(id) FROM (SELECT id FROM destination WHERE id > ?1 ORDER BY id LIMIT ?2)");
        last.bind(1, from).bind(2, kSweptDestinations);
        const std::int64_t to =
            last.step() ? last.integer(0) : 0;  // 0 at the end: the next start begins anew
        last.reset();
        Statement sweep(
            connection,
            "DELETE FROM destination WHERE id > ?1 AND id <= ?2"
            " AND NOT EXISTS (SELECT 1 FROM recipient WHERE destination_id = destination.id AND state = 0)"
            " AND NOT EXISTS (SELECT 1 FROM recipient WHERE destination_id = destination.id AND state <> 0)");
        sweep.bind(1, from).bind(2, to).run();
        Statement note(connection,
                       "INSERT INTO meta VALUES ('destinations_swept', ?1)"
                       " ON CONFLICT (name) DO UPDATE SET value = ?1 WHERE value <> ?1");
        note.bind(1, to).run();
        connection.execute("COMMIT");
    } catch (...) {
        connection.roll_back();
        throw;
    }
}

class SqliteStore final : public QueueStore {
public:
    SqliteStore(const QueuePaths& paths, const QueueOptions& options, const SqliteTuning& tuning,
                QueueLock lock)
        : lock_(std::move(lock)),
          paths_(paths),
          vfs_(tuning.vfs),
          min_free_space_(options.min_free_space),
          checkpointer_(tuning, condition_),
          writer_(paths, options, tuning, claims_, condition_, checkpointer_),
          reader_(paths.database, paths.spool, tuning, claims_),
          operators_(paths.database, paths.spool, tuning, claims_) {}

    ~SqliteStore() override { stop(); }

    // Throws SqliteFailure.
    void open() {
        const bool is_new = ::access(paths_.database.c_str(), F_OK) != 0;
        keep_before_upgrade(paths_.directory, vfs_, min_free_space_);
        writer_.open();
        tidy(writer_.connection());
        if (is_new) {
            sync_directory(paths_.directory);
        }
        checkpointer_.start(paths_.database, paths_.spool, list_spool(paths_.spool));
        writer_.start();
        reader_.start();
    }

    void add(NewMessage message, SteadyTime deadline, Done<Added> done) override {
        const std::size_t weight = weight_of(message);
        writer_.push({AddOperation{std::move(message), std::move(done), {}}, deadline, weight, {}});
    }

    void settle(Settlement settlement, Done<Settled> done) override {
        const std::size_t weight = weight_of(settlement);
        writer_.push(
            {SettleOperation{std::move(settlement), std::move(done), {}}, SteadyTime::max(), weight, {}});
    }

    void revise(QueueId message, Revision revision, TimePoint now, Done<Revised> done) override {
        writer_.push(
            {ReviseOperation{message, revision, now, std::move(done), {}}, SteadyTime::max(), 64, {}});
    }

    void forget_pickups(std::vector<std::string> keys, Done<std::uint64_t> done) override {
        const std::size_t weight = 64 * keys.size();
        writer_.push({ForgetOperation{std::move(keys), std::move(done), 0}, SteadyTime::max(), weight, {}});
    }

    void suppress(std::vector<Suppression> suppressions, Done<std::uint64_t> done) override {
        const std::size_t weight = 512 * suppressions.size();
        writer_.push({SuppressOperation{std::move(suppressions), std::move(done), 0}, SteadyTime::max(), weight, {}});
    }

    void unsuppress(std::vector<std::string> addresses, Done<std::uint64_t> done) override {
        const std::size_t weight = 64 * addresses.size();
        writer_.push({UnsuppressOperation{std::move(addresses), std::move(done), 0}, SteadyTime::max(), weight, {}});
    }

    void claim(DestinationId destination, TimePoint now, std::size_t limit, TimePoint lease_until,
               Done<Claimed> done) override {
        reader_.post<Claimed>(std::move(done), [=](Queries& queries) {
            return queries.claim(destination, now, limit, lease_until);
        });
    }

    void claim_message(QueueId message, TimePoint now, TimePoint lease_until,
                       Done<std::vector<Recipient>> done) override {
        reader_.post<std::vector<Recipient>>(std::move(done), [=](Queries& queries) {
            return queries.claim_message(message, now, lease_until);
        });
    }

    void claim_expired(TimePoint now, std::size_t limit, TimePoint lease_until,
                       Done<std::vector<Recipient>> done) override {
        reader_.post<std::vector<Recipient>>(std::move(done), [=](Queries& queries) {
            return queries.claim_expired(now, limit, lease_until);
        });
    }

    void unclaim(std::vector<RecipientId> recipients) override {
        std::vector<RecipientId> removed = claims_.release(recipients);
        if (!removed.empty()) {
            writer_.push({SweepOperation{std::move(removed)}, SteadyTime::max(), 64, {}});
        }
    }

    void message(QueueId id, Done<mail::MessagePtr> done) override {
        reader_.post<mail::MessagePtr>(std::move(done),
                                       [=](Queries& queries) { return queries.message(id); });
    }

    void next_due(DestinationId destination, TimePoint now, Done<std::optional<TimePoint>> done) override {
        reader_.post<std::optional<TimePoint>>(
            std::move(done), [=](Queries& queries) { return queries.next_due(destination, now); });
    }

    void destinations(DestinationId after, std::size_t limit, TimePoint now,
                      Done<std::vector<DestinationDue>> done) override {
        reader_.post<std::vector<DestinationDue>>(
            std::move(done), [=](Queries& queries) { return queries.destinations(after, limit, now); });
    }

    void messages_of_class(std::string failure_class, QueueId after, std::size_t limit,
                           Done<std::vector<QueueId>> done) override {
        reader_.post<std::vector<QueueId>>(
            std::move(done), [failure_class = std::move(failure_class), after, limit](Queries& queries) {
                return queries.messages_of_class(failure_class, after, limit);
            });
    }

    void sources(SourceQuery query, Done<std::vector<MessageSource>> done) override {
        start_operators();
        operators_.post<std::vector<MessageSource>>(
            std::move(done), [=](Queries& queries) { return queries.sources(query); });
    }

    void pickups(std::string after, std::size_t limit, Done<std::vector<Pickup>> done) override {
        start_operators();
        operators_.post<std::vector<Pickup>>(std::move(done), [after = std::move(after), limit](Queries& queries) {
            return queries.pickups(after, limit);
        });
    }

    void journal(JournalQuery query, Done<JournalPage> done) override {
        start_operators();
        operators_.post<JournalPage>(std::move(done), [query = std::move(query)](Queries& queries) {
            return queries.journal(query);
        });
    }

    void ages(AgeQuery query, Done<AgePage> done) override {
        start_operators();
        operators_.post<AgePage>(std::move(done), [=](Queries& queries) { return queries.ages(query); });
    }

    void idle(Done<IdleCounts> done) override {
        start_operators();
        operators_.post<IdleCounts>(std::move(done), [](Queries& queries) { return queries.idle(); });
    }

    void look_up(Lookup lookup, Done<LookedUp> done) override {
        start_operators();
        operators_.post<LookedUp>(std::move(done),
                                  [lookup = std::move(lookup)](Queries& queries) { return queries.look_up(lookup); });
    }

    void tally(TallyQuery query, Done<TallyPage> done) override {
        start_operators();
        operators_.post<TallyPage>(std::move(done), [=](Queries& queries) { return queries.tally(query); });
    }

    void suppressions(std::string after, std::size_t limit, Done<std::vector<Suppression>> done) override {
        start_operators();
        operators_.post<std::vector<Suppression>>(
            std::move(done),
            [after = std::move(after), limit](Queries& queries) { return queries.suppressions(after, limit); });
    }

    void list(ListQuery query, Done<std::vector<QueueEntry>> done) override {
        start_operators();
        operators_.post<std::vector<QueueEntry>>(
            std::move(done), [query = std::move(query)](Queries& queries) { return queries.list(query); });
    }

    void show(QueueId id, Done<QueueEntry> done) override {
        start_operators();
        operators_.post<QueueEntry>(std::move(done), [=](Queries& queries) { return queries.show(id); });
    }

    [[nodiscard]] StoreHealth health() const override {
        StoreHealth health = condition_.figures();
        health.inbox_bytes = writer_.inbox_bytes();
        return health;
    }

    void on_health_change(std::function<void(const StoreHealth&)> observer) override {
        condition_.observe(std::move(observer));
    }

    [[nodiscard]] const std::string& spool_directory() const override { return paths_.spool; }

    void stop() override {
        const std::lock_guard lock(stop_mutex_);
        operators_.stop();
        reader_.stop();
        checkpointer_.stop();
        writer_.stop();
    }

private:
    // An operator's long walk through the queue must not keep claims waiting; most queues are never listed.
    void start_operators() {
        const std::lock_guard lock(stop_mutex_);
        if (!operators_started_) {
            operators_started_ = true;
            operators_.start();
        }
    }

    QueueLock lock_;
    QueuePaths paths_;
    std::string vfs_;
    std::uint64_t min_free_space_;
    ClaimTable claims_;
    Condition condition_;
    Checkpointer checkpointer_;
    Writer writer_;
    Reader reader_;
    Reader operators_;
    std::mutex stop_mutex_;
    bool operators_started_ = false;
};

}  // namespace

Result<std::unique_ptr<QueueStore>> open_sqlite_store(const QueueOptions& options,
                                                      const SqliteTuning& tuning) {
    const QueuePaths paths{options.directory, options.directory + "/queue.sqlite",
                           options.directory + "/spool"};
    if (auto made = make_directories(paths.spool); !made) {
        return made.error();
    }
    auto lock = QueueLock::acquire(paths.directory);
    if (!lock) {
        return lock.error();
    }
    auto store = std::make_unique<SqliteStore>(paths, options, tuning, *std::move(lock));
    try {
        store->open();
    } catch (const SqliteFailure& failure) {
        return Error{std::string(failure.what()) + " (" + paths.database + ")"};
    }
    return std::unique_ptr<QueueStore>(std::move(store));
}

}  // namespace posthorn::queue::sqlite
