// One exchange with Dovecot: its request, and what each reply means to the client.
#include "smtp/server/dovecot_authenticator.hpp"

#include <utility>

namespace posthorn::smtp::server {
namespace {

using protocol::SaslAnswer;
using Kind = auth::DovecotReply::Kind;

class DovecotExchange final : public Exchange {
public:
    DovecotExchange(std::shared_ptr<DovecotLink> link, std::string_view mechanism, auth::DovecotPeer peer)
        : link_(std::move(link)), mechanism_(mechanism), peer_(std::move(peer)) {}
    ~DovecotExchange() override {
        if (open_) DovecotLink::cancel(connection_, id_);
    }

    net::awaitable<SaslAnswer> step(std::optional<std::string> response) override {
        std::string line;
        if (!connection_) {
            connection_ = co_await link_->connection();
            if (!connection_) {
                reason_ = "Dovecot cannot be reached";
                co_return SaslAnswer::unavailable();
            }
            id_ = DovecotLink::new_id(*connection_);
            line = auth::dovecot_request(id_, mechanism_, peer_, response);
        } else {
            line = auth::dovecot_continue(id_, response.value_or(""));
        }
        if (line.size() > auth::kLongestDovecotLine) {
            reason_ = "the response is longer than Dovecot takes";
            co_return SaslAnswer::malformed();
        }
        auth::DovecotReply reply = co_await DovecotLink::ask(connection_, id_, std::move(line));
        open_ = reply.kind == Kind::proceed;
        user_ = std::move(reply.user);
        reason_ = std::move(reply.reason);
        if (reason_.empty()) reason_ = "Dovecot gives no reason; its log may";
        switch (reply.kind) {
            case Kind::proceed:
                co_return SaslAnswer::challenge(reply.data.value_or(""));
            case Kind::granted:
                co_return SaslAnswer::accepted(user_, std::move(reply.data));
            case Kind::denied:
                co_return SaslAnswer::rejected();
            case Kind::unavailable:
                break;
        }
        co_return SaslAnswer::unavailable();
    }

private:
    std::shared_ptr<DovecotLink> link_;
    std::string mechanism_;
    auth::DovecotPeer peer_;
    std::shared_ptr<DovecotConnection> connection_;  // the one it began on
    std::uint32_t id_ = 0;
    bool open_ = false;                              // Dovecot waits for the client
};

}  // namespace

DovecotAuthenticator::DovecotAuthenticator(net::asio::any_io_executor executor, const std::string& socket)
    : socket_(socket), link_(std::make_shared<DovecotLink>(std::move(executor), socket)) {}

void DovecotAuthenticator::start(net::TaskGroup& tasks) {
    if (!std::exchange(started_, true)) link_->start(tasks);
}

std::unique_ptr<Exchange> DovecotAuthenticator::begin(std::string_view mechanism, AuthContext context) {
    return std::make_unique<DovecotExchange>(link_, mechanism, std::move(context.peer));
}

}  // namespace posthorn::smtp::server
