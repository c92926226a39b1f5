// Signs of life that go round by the queue's writer (sd_watchdog_enabled(3)): a writer that hangs while the loop goes on ends them.
#include "app/heartbeat.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "base/descriptor.hpp"
#include "queue/memory_store.hpp"
#include "support/run_until.hpp"
#include "support/temp_dir.hpp"

namespace posthorn::app {
namespace {

using namespace std::chrono_literals;

// A store whose writer can stop to answer.
class HangingStore : public queue::MemoryStore {
public:
    void forget_pickups(std::vector<std::string> keys, queue::Done<std::uint64_t> done) override {
        ++asked;
        if (!hangs) queue::MemoryStore::forget_pickups(std::move(keys), std::move(done));
        else kept.emplace(std::move(done));
    }
    bool hangs = false;
    int asked = 0;
    std::optional<queue::Done<std::uint64_t>> kept;
};

class HeartbeatTest : public ::testing::Test {
protected:
    void SetUp() override {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, path.c_str());
        ASSERT_EQ(::bind(manager.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
        ::setenv("WATCHDOG_USEC", "60000", 1);
        ::unsetenv("WATCHDOG_PID");
    }
    void TearDown() override {
        heartbeat.stop();
        ::unsetenv("NOTIFY_SOCKET");
        ::unsetenv("WATCHDOG_USEC");
    }
    // How many signs of life came since the last call.
    int signs() {
        int count = 0;
        char text[512];
        for (ssize_t n = 0; (n = ::recv(manager.get(), text, sizeof text, MSG_DONTWAIT)) > 0;)
            count += std::string(text, static_cast<std::size_t>(n)).starts_with("WATCHDOG=1\n") ? 1 : 0;
        return count;
    }
    [[nodiscard]] bool heard(int count) {
        return test::run_until(home, [&, seen = 0]() mutable { return (seen += signs()) >= count; });
    }

    test::TempDir directory;
    std::string path = directory.file("notify");
    Descriptor manager{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    net::asio::io_context home;
    HangingStore store;
    Heartbeat heartbeat{home, store, [] { return std::string("serves"); }};
};

TEST_F(HeartbeatTest, GoesOnWhileTheWriterAnswersWhateverItSays) {
    heartbeat.start();
    EXPECT_TRUE(heard(3));
    store.fail_with(queue::StoreError{queue::StoreFault::disk_full, "full"});   // a restart would not help it
    signs();
    EXPECT_TRUE(heard(3));
}

TEST_F(HeartbeatTest, EndsWithAWriterThatHangsAlone) {
    heartbeat.start();
    ASSERT_TRUE(heard(1));
    store.hangs = true;
    ASSERT_TRUE(test::run_until(home, [this] { return store.kept.has_value(); }));
    signs();
    const int asked = store.asked;
    // The loop goes on for several beats; nothing is told, nor is the writer asked again and again.
    EXPECT_FALSE(test::run_until(home, [this] { return signs() > 0; }, 200ms));
    EXPECT_EQ(store.asked, asked);
    store.hangs = false;
    (*store.kept)(std::uint64_t{0});   // it was slow, and no more
    EXPECT_TRUE(heard(2));
}

}  // namespace
}  // namespace posthorn::app
