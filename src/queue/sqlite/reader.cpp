// The reader's thread.
#include "queue/sqlite/reader.hpp"

namespace posthorn::queue::sqlite {

void Reader::start() {
    thread_ = std::thread([this] { run(); });
}

void Reader::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        wake_.notify_all();
    }
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Reader::push(Job job) {
    {
        const std::lock_guard lock(mutex_);
        if (!stopping_) {
            jobs_.push_back(std::move(job));
            if (waits_) {
                wake_.notify_one();
            }
            return;
        }
    }
    const StoreError error{StoreFault::shutting_down, "the queue is shutting down"};
    job(nullptr, &error);
}

void Reader::run() {
    std::unique_ptr<Queries> queries;
    for (;;) {
        Job job;
        {
            std::unique_lock lock(mutex_);
            waits_ = true;
            wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
            waits_ = false;
            if (jobs_.empty()) {
                return;
            }
            job = std::move(jobs_.front());
            jobs_.pop_front();
        }
        std::optional<StoreError> unreadable;
        if (!queries) {
            try {
                queries = std::make_unique<Queries>(database_, spool_, tuning_, claims_);
            } catch (const SqliteFailure& failure) {
                unreadable = failure.as_store_error();
            }
        }
        if (job(queries.get(), unreadable ? &*unreadable : nullptr)) {
            queries.reset();
        }
    }
}

}  // namespace posthorn::queue::sqlite
