// Users of a Dovecot: each step of an exchange is one question to its auth service.
#pragma once

#include <memory>
#include <string>

#include "net/task_group.hpp"
#include "smtp/server/authenticator.hpp"
#include "smtp/server/dovecot_link.hpp"

namespace posthorn::smtp::server {

// A Dovecot that cannot be asked is no wrong password: the client hears 454 and tries again.
class DovecotAuthenticator final : public Authenticator {
public:
    DovecotAuthenticator(net::asio::any_io_executor executor, const std::string& socket);
    ~DovecotAuthenticator() override { link_->close(); }

    // Begins to connect, the first time. The task ends with the group's request_stop(), which ends what waits for Dovecot as
    // well, or with this.
    void start(net::TaskGroup& tasks);
    [[nodiscard]] const std::string& socket() const { return socket_; }

    [[nodiscard]] std::vector<std::string> mechanisms() const override { return link_->mechanisms(); }
    [[nodiscard]] std::unique_ptr<Exchange> begin(std::string_view mechanism, AuthContext context) override;

private:
    std::string socket_;
    std::shared_ptr<DovecotLink> link_;
    bool started_ = false;
};

}  // namespace posthorn::smtp::server
