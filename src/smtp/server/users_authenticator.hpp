// Users of the users file: PLAIN and LOGIN by their password hashes, SCRAM by their secrets.
#pragma once

#include <atomic>
#include <memory>

#include "auth/credentials.hpp"
#include "smtp/server/authenticator.hpp"

namespace posthorn::smtp::server {

// Hashes are computed on the pool, so that they delay no other session; SCRAM costs a few HMACs and stays on the shard. At
// most kMaxWaiting passwords wait for the pool: a crowd of guessers from many addresses must not put a user off for minutes.
class UsersAuthenticator final : public Authenticator {
public:
    static constexpr std::size_t kMaxWaiting = 64;   // beyond them 454 4.7.0: some seconds of hashes

    // REQUIRES: pool and closing outlive this. Passwords that still wait for the pool when closing is set are not looked at.
    UsersAuthenticator(std::shared_ptr<auth::Credentials> users, net::asio::thread_pool& pool,
                       const std::atomic<bool>& closing);

    [[nodiscard]] std::vector<std::string> mechanisms() const override;
    [[nodiscard]] std::unique_ptr<Exchange> begin(std::string_view mechanism, AuthContext context) override;

private:
    std::shared_ptr<auth::Credentials> users_;
    net::asio::thread_pool& pool_;
    const std::atomic<bool>& closing_;
    std::shared_ptr<std::size_t> waiting_ = std::make_shared<std::size_t>(0);   // shared with exchanges; on the shard
};

}  // namespace posthorn::smtp::server
