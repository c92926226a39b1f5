// The shard's thread, and the order in which it ends.
#include "net/shard.hpp"

#include <pthread.h>
#include <signal.h>

namespace posthorn::net {

IoShard::IoShard(std::string name)
    : name_(std::move(name)),
      context_(std::make_unique<asio::io_context>(1)),
      work_(context_->get_executor()) {}

IoShard::~IoShard() {
    stop();
    join();
    destroy();
}

void IoShard::start() {
    // Signals belong to the main thread, which turns them into posts (app/).
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] {
        pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
        loop();
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void IoShard::run() {
    loop();
}

void IoShard::loop() {
    running_on_ = std::this_thread::get_id();
    context_->run();
    running_on_ = std::thread::id();
}

void IoShard::stop() {
    if (context_) {
        context_->stop();
    }
}

void IoShard::join() {
    if (thread_.joinable()) {
        thread_.join();
    }
}

void IoShard::destroy() {
    if (!context_) {
        return;
    }
    work_.reset();
    context_.reset();
}

}  // namespace posthorn::net
