// Zones are found by asking for NS records upwards; their servers each get a channel of their own.
#include "dns/authorities.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "dns/answers.hpp"
#include "dns/channel.hpp"
#include "dns/options.hpp"
#include "dns/resolver.hpp"
#include "net/wait_event.hpp"

namespace posthorn::dns {
namespace {

namespace asio = net::asio;
using net::awaitable;

constexpr unsigned kMaxLabels = 36;  // upwards from a name; the deepest is that of an IPv6 address, of 34 labels, in a zone of 10 or 18

// RFC 1034 s4.2.1: the name above, or "" at a top-level domain: the root is nobody's zone whom we could tell anything.
std::string parent_of(const std::string& name) {
    const std::size_t dot = name.find('.');
    return dot == std::string::npos ? std::string() : name.substr(dot + 1);
}

// One question to one server; shared, since the reply may come when nobody waits any more.
struct ServerFlight {
    net::Event done;
    Lookup answer;

    explicit ServerFlight(asio::any_io_executor executor) : done(std::move(executor)) {}
};

std::string words_for(const Channel::Reply& reply) {
    switch (reply.status) {
        case ARES_ETIMEOUT:
            return "gave no answer";
        case ARES_ECONNREFUSED:
            return "could not be asked: nothing listens there, or the network is unreachable";
        default:
            return std::string("could not be asked: ") + ares_strerror(reply.status);
    }
}

// of_authority: only an answer of a server of the zone is one.
Lookup read(const Channel::Reply& reply, const std::string& name, RecordType type, bool of_authority) {
    Lookup answer;
    answer.final_name = name;
    if (reply.octets.empty()) {
        answer.detail = words_for(reply);
        answer.local_shortage = reply.shortage;
        return answer;
    }
    const std::optional<Message> message = read_message(reply.octets);
    if (!message) {
        answer.detail = "sent a reply that makes no sense";
        return answer;
    }
    answer = interpret(*message, name, type);
    answer.authenticated = false;
    if (of_authority && answer.status != Status::temporary && !message->authoritative) {
        Lookup none;
        none.final_name = name;
        none.detail = "answers, but not as a server of that zone (lame delegation)";
        return none;
    }
    return answer;
}

struct Server {
    std::string name;
    std::string address;                                           // "192.0.2.53:53"; empty: none that may be asked
    std::string why;                                               // no channel
    std::shared_ptr<Channel> channel;                              // null: not to be asked
    std::shared_ptr<bool> silent = std::make_shared<bool>(false);  // a reply may come when the zone is gone
};

struct Zone {
    std::string name;
    std::vector<Server> servers;
    std::string detail;
};

}  // namespace

class Authorities::Impl {
public:
    Impl(asio::any_io_executor executor, Resolver& resolver)
        : executor_(std::move(executor)), resolver_(resolver), options_(resolver.options()) {
        channel_options_.timeout = options_.authority_timeout;
        channel_options_.tries = 2;
    }

    awaitable<AuthorityAnswers> ask(std::string name, RecordType type) {
        AuthorityAnswers answers;
        if (options_.authority_servers == 0) {
            answers.detail = "the zones' own servers are not asked (dns.authority_servers is 0)";
            co_return answers;
        }
        const std::shared_ptr<Zone> zone = co_await zone_of(name);
        answers.zone = zone->name;
        answers.detail = zone->detail;
        std::vector<std::shared_ptr<ServerFlight>> flights;
        for (Server& server : zone->servers) flights.push_back(begin(server, name, type));
        for (std::size_t i = 0; i < flights.size(); ++i) {
            co_await flights[i]->done.wait();
            Server& server = zone->servers[i];
            AuthorityAnswer answer;
            answer.server = server.name;
            answer.address = server.address;
            answer.lookup = flights[i]->answer;
            answers.servers.push_back(std::move(answer));
        }
        co_return answers;
    }

private:
    std::shared_ptr<ServerFlight> begin(Server& server, const std::string& name, RecordType type) {
        auto flight = std::make_shared<ServerFlight>(executor_);
        if (server.channel == nullptr || *server.silent) {
            flight->answer.final_name = name;
            flight->answer.detail = server.channel == nullptr ? server.why : "gave no answer before";
            flight->done.set();
            return flight;
        }
        // May be called within query(): only notes the answer.
        server.channel->query(name, type, [flight, name, type, silent = server.silent](const Channel::Reply& reply) {
            flight->answer = read(reply, name, type, true);
            *silent = *silent || reply.status == ARES_ETIMEOUT || reply.status == ARES_ECONNREFUSED;
            flight->done.set();
        });
        return flight;
    }

    // At the resolver. What it refuses to tell, as DNSSEC does not vouch for it, is good enough for finding the servers: whoever looks for what is
    // wrong with a zone has to get there.
    awaitable<Lookup> look_up(std::string name, RecordType type) {
        Lookup told = co_await resolver_.look_up(name, type);
        if (told.status != Status::temporary || told.local_shortage) co_return told;
        const std::shared_ptr<ServerFlight> flight = begin_unchecked(name, type);
        co_await flight->done.wait();
        if (flight->answer.status == Status::temporary) co_return told;
        co_return flight->answer;
    }

    std::shared_ptr<ServerFlight> begin_unchecked(const std::string& name, RecordType type) {
        auto flight = std::make_shared<ServerFlight>(executor_);
        if (!unchecked_.channel && !*unchecked_.silent) {
            const auto servers = Channel::servers_of(options_);
            auto channel = servers && !servers->empty() ? Channel::create(executor_, servers->front(), channel_options_)
                                                        : Result<std::shared_ptr<Channel>>(Error{"no DNS server"});
            if (channel) {
                unchecked_.channel = std::move(*channel);
                unchecked_.channel->ask_unchecked();
            }
        }
        if (!unchecked_.channel || *unchecked_.silent) {
            flight->done.set();
            return flight;
        }
        unchecked_.channel->query(name, type, [flight, name, type, silent = unchecked_.silent](const Channel::Reply& reply) {
            flight->answer = read(reply, name, type, false);
            *silent = *silent || reply.status == ARES_ETIMEOUT || reply.status == ARES_ECONNREFUSED;
            flight->done.set();
        });
        return flight;
    }

    awaitable<AddressAnswer> addresses_of(std::string host) {
        AddressAnswer told = co_await resolver_.addresses(host);
        if (told.status != Status::temporary) co_return told;
        const Lookup v4 = co_await look_up(host, RecordType::a);
        const Lookup v6 = co_await look_up(host, RecordType::aaaa);
        co_return address_answer(&v4, &v6, host);
    }

    // A name's zone and all names on the way to it: each is looked for once.
    awaitable<std::shared_ptr<Zone>> zone_of(std::string name) {
        std::vector<std::string> on_the_way;
        std::shared_ptr<Zone> zone;
        for (std::string at = name; zone == nullptr; at = parent_of(at)) {
            if (const auto known = zones_.find(at); known != zones_.end()) {
                zone = known->second;
                break;
            }
            if (at.empty() || on_the_way.size() == kMaxLabels) {
                zone = std::make_shared<Zone>();
                zone->detail = "the resolver knows no zone that " + name + " lies in";
                break;
            }
            on_the_way.push_back(at);
            Lookup servers = co_await look_up(at, RecordType::ns);
            if (servers.status == Status::temporary) {
                zone = std::make_shared<Zone>();
                zone->detail = "the servers of the zone of " + name + " could not be found: " + servers.detail;
                break;
            }
            // A CNAME's target is another name's zone; what lies above the name itself is its own.
            if (servers.status == Status::ok && servers.final_name == at)
                zone = co_await open(std::move(at), std::move(servers.records));
            if (zone != nullptr) break;
        }
        for (const std::string& passed : on_the_way) zones_.emplace(passed, zone);
        co_return zone;
    }

    awaitable<std::shared_ptr<Zone>> open(std::string name, std::vector<Record> servers) {
        auto zone = std::make_shared<Zone>();
        zone->name = std::move(name);
        std::sort(servers.begin(), servers.end(), [](const Record& a, const Record& b) { return a.text < b.text; });
        for (const Record& record : servers) {
            if (zone->servers.size() == options_.authority_servers) break;
            AddressAnswer addresses = co_await addresses_of(record.text);
            zone->servers.push_back(reach(record.text, addresses));
        }
        co_return zone;
    }

    // IPv4 first: a machine without a way to IPv6 is more usual than one without IPv4.
    Server reach(const std::string& name, const AddressAnswer& addresses) {
        Server server;
        server.name = name;
        server.why = addresses.status == Status::ok ? "has no address that may be asked" : "has no address: " + addresses.detail;
        for (const IpAddress& address : addresses.all()) {
            if (address.is_unspecified() || (address.is_private() && !options_.authority_private)) {
                server.why =
                    "has the address " + address.to_string() + ", which is not of the public Internet (dns.authority_private)";
                continue;
            }
            Endpoint endpoint;
            endpoint.host = address.to_string();
            endpoint.port = options_.authority_port;
            auto channel = Channel::create(executor_, endpoint, channel_options_, false, false);
            if (!channel) {
                server.why = channel.error().what;
                continue;
            }
            server.address = endpoint.to_string();
            server.channel = std::move(*channel);
            break;
        }
        return server;
    }

    asio::any_io_executor executor_;
    Resolver& resolver_;
    DnsOptions options_;  // as they were when this began
    DnsOptions channel_options_;
    Server unchecked_;    // the resolver's first server, asked without validation
    std::map<std::string, std::shared_ptr<Zone>> zones_;
};

Authorities::Authorities(asio::any_io_executor executor, Resolver& resolver)
    : impl_(std::make_unique<Impl>(std::move(executor), resolver)) {}
Authorities::~Authorities() = default;

awaitable<AuthorityAnswers> Authorities::ask(std::string name, RecordType type) {
    name = canonical_name(name);
    co_return co_await impl_->ask(std::move(name), type);
}

}  // namespace posthorn::dns
