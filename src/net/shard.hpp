// One io_context on one thread: a connection lives and dies on its shard, so its code needs no locks and no
// strands.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "net/asio.hpp"

namespace posthorn::net {

// Owned by the app. Order at the end: stop() and join() every shard; join the pools that offload() uses;
// destroy resolvers and listeners; destroy() every context, in which suspended frames end; and only then the
// services that those frames refer to.
class IoShard {
public:
    explicit IoShard(std::string name);  // thread name, at most 15 characters are shown by the system
    ~IoShard();                          // stops, joins and destroys what is left
    IoShard(const IoShard&) = delete;
    IoShard& operator=(const IoShard&) = delete;

    [[nodiscard]] asio::io_context& context() { return *context_; }  // REQUIRES: not destroyed
    [[nodiscard]] asio::any_io_executor executor() { return context_->get_executor(); }

    void start();  // runs the loop on an own thread until stop()
    void run();    // runs the loop on the calling thread instead (tools, tests)
    void stop();   // any thread; what is under way stays suspended
    void join();
    void destroy();  // REQUIRES: joined

    // Runs fn on this shard's thread; any thread may call.
    template <class F>
    void post(F&& fn) {
        asio::post(*context_, std::forward<F>(fn));
    }
    [[nodiscard]] bool on_this_thread() const { return std::this_thread::get_id() == running_on_; }

private:
    void loop();

    std::string name_;
    std::unique_ptr<asio::io_context> context_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::thread thread_;
    std::atomic<std::thread::id> running_on_;
};

}  // namespace posthorn::net
