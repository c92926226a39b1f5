// Looks after the operator's file of rules: takes it when it has changed and is right, and says what is wrong
// when it is not.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "delivery/provider_rules.hpp"
#include "net/asio.hpp"
#include "net/certificate_watch.hpp"

namespace posthorn::app {

// PR-39: rules are changed while mail flows. Owned by the daemon, on the home shard; the file is looked at
// and read on the pool's thread. Deliveries under way keep the rules they began with; a file that is wrong
// changes nothing.
class RuleRounds {
public:
    using Replace = std::function<void(std::shared_ptr<const delivery::ProviderRules>)>;

    RuleRounds(net::asio::io_context& home, net::asio::thread_pool& disk, Replace replace);

    // At the start and after each reload, which has just read the file. path: empty for none.
    void follow(std::string path, Duration interval);
    void stop();

private:
    struct Finding {
        net::CertificateWatch watch;
        bool read = false;
        delivery::ProviderRules::Loaded loaded;
    };

    void arm();
    void look();
    void found(Finding finding);

    net::asio::io_context& home_;
    net::asio::thread_pool& disk_;
    Replace replace_;
    net::asio::steady_timer timer_;
    std::string path_;
    Duration interval_{};
    std::uint64_t turn_ = 0;  // of follow(): what was begun before it is about a file nobody wants any more
    net::CertificateWatch watch_;
    bool stopped_ = false;
};

}  // namespace posthorn::app
