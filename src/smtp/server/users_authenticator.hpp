// Users of the users file: PLAIN and LOGIN by their password hashes, SCRAM by their secrets.
#pragma once

#include <atomic>
#include <memory>

#include "auth/credentials.hpp"
#include "smtp/server/authenticator.hpp"

namespace posthorn::smtp::server {

// Hashes are computed on the pool, so that they delay no other session; SCRAM costs a few HMACs and stays on the shard.
class UsersAuthenticator final : public Authenticator {
public:
    // REQUIRES: pool and closing outlive this. Passwords that still wait for the pool when closing is set are not looked at.
    UsersAuthenticator(std::shared_ptr<auth::Credentials> users, net::asio::thread_pool& pool,
                       const std::atomic<bool>& closing);

    [[nodiscard]] std::vector<std::string> mechanisms() const override;
    [[nodiscard]] std::unique_ptr<Exchange> begin(std::string_view mechanism, AuthContext context) override;

private:
    std::shared_ptr<auth::Credentials> users_;
    net::asio::thread_pool& pool_;
    const std::atomic<bool>& closing_;
};

}  // namespace posthorn::smtp::server
