// One question, asked of the DNS servers in turn until one of them answers it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_function.hpp"
#include "dns/channel.hpp"
#include "dns/message.hpp"
#include "dns/options.hpp"
#include "dns/server_figures.hpp"
#include "dns/server_order.hpp"
#include "net/asio.hpp"

namespace posthorn::dns {

// The servers of one reading of the settings. The next one is asked as soon as one fails, and beside it when
// it is silent for options.timeout; the first usable answer counts. Single-threaded.
class Servers : public std::enable_shared_from_this<Servers> {
public:
    // Called exactly once, with chains of CNAMEs as far as the reply goes. It must not call into these
    // servers, nor destroy them.
    using Done = UniqueFunction<void(Lookup)>;

    [[nodiscard]] static Result<std::shared_ptr<Servers>> create(net::asio::any_io_executor executor,
                                                                 const DnsOptions& options);
    // Ends what is pending as temporary. REQUIRES: not from inside a Done.
    ~Servers();
    Servers(const Servers&) = delete;
    Servers& operator=(const Servers&) = delete;

    // Done may be called before this returns.
    void ask(std::string name, RecordType type, Done done);
    // The program ends: what is pending ends at once, and so does what is asked from now on.
    void close();
    [[nodiscard]] std::size_t pending() const { return pending_; }
    [[nodiscard]] std::vector<ServerFigures> figures() const;

private:
    struct Question;
    struct Server {
        std::shared_ptr<Channel> channel;
        std::shared_ptr<Channel> without_edns;  // null: not needed yet
        bool plain = false;  // it does not understand EDNS (RFC 6891 s6.2.2)
        Endpoint endpoint;
        ServerFigures figures;

        Server(std::shared_ptr<Channel> made, Endpoint at)
            : channel(std::move(made)), endpoint(std::move(at)), figures(endpoint.to_string()) {}
    };

    Servers(net::asio::any_io_executor executor, const DnsOptions& options);
    void ask_next(const std::shared_ptr<Question>& question);
    void ask_server(const std::shared_ptr<Question>& question, std::size_t server);
    std::shared_ptr<Channel> channel_of(Server& server);
    void wait_for_patience(const std::shared_ptr<Question>& question, std::size_t server, SteadyTime asked);
    void replied(const std::shared_ptr<Question>& question, std::size_t server, SteadyTime asked,
                 const Channel::Reply& reply);
    void fell_silent(std::size_t server, SteadyTime asked);
    void give_up(const std::shared_ptr<Question>& question);
    void land(const std::shared_ptr<Question>& question, Lookup answer);

    net::asio::any_io_executor executor_;
    DnsOptions options_;
    std::vector<Server> servers_;
    ServerOrder order_;
    std::size_t pending_ = 0;
    bool closed_ = false;
};

}  // namespace posthorn::dns
