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

    // Begins to connect; the tasks end after stop() or the destructor.
    void start(net::TaskGroup& tasks) { link_->start(tasks); }
    [[nodiscard]] const std::string& socket() const { return socket_; }

    [[nodiscard]] std::vector<std::string> mechanisms() const override { return link_->mechanisms(); }
    [[nodiscard]] std::unique_ptr<Exchange> begin(std::string_view mechanism, AuthContext context) override;
    void stop() override { link_->close(); }

private:
    std::string socket_;
    std::shared_ptr<DovecotLink> link_;
};

}  // namespace posthorn::smtp::server
