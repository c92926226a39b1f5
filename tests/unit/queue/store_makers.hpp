// The stores that a contract is held against, each made in a directory: testing::Types<MemoryMaker, SqliteMaker>.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "queue/memory_store.hpp"
#include "queue/sqlite/sqlite_store.hpp"

namespace posthorn::queue::test {

struct MemoryMaker {
    static std::unique_ptr<QueueStore> make(const std::string& directory, const JournalOptions& journal = {}) {
        std::filesystem::create_directories(directory + "/spool");
        return std::make_unique<MemoryStore>(directory + "/spool", MemoryStore::Executor{}, journal);
    }
};

// Null, and the test has failed, where it cannot be opened.
struct SqliteMaker {
    static std::unique_ptr<QueueStore> make(const std::string& directory, const JournalOptions& journal = {}) {
        QueueOptions options;
        options.directory = directory;
        options.min_free_space = 0;
        options.journal = journal;
        auto store = sqlite::open_sqlite_store(options);
        EXPECT_TRUE(store) << (store ? "" : store.error().what);
        return store ? std::move(*store) : nullptr;
    }
};

}  // namespace posthorn::queue::test
