// A question goes on to the next server when one fails, and the failures add up to one explanation.
#include "dns/servers.hpp"

#include <utility>

#include "base/log.hpp"

namespace posthorn::dns {

namespace asio = net::asio;

struct Servers::Question {
    std::string name;
    RecordType type;
    Done done;
    std::vector<std::size_t> order;
    std::size_t next = 0;  // of order
    std::size_t open = 0;  // asked, and neither answered nor given up
    bool landed = false;
    bool shortage = false;
    bool answered = false;   // a server said something, though of no use
    std::string complaints;  // "192.0.2.1:53 answered SERVFAIL, ...; ..."
    asio::steady_timer patience;

    Question(const asio::any_io_executor& executor, std::string about, RecordType kind, Done then)
        : name(std::move(about)), type(kind), done(std::move(then)), patience(executor) {}

    void complain(const std::string& server, std::string_view words) {
        complaints += complaints.empty() ? "" : "; ";
        complaints += server;
        complaints += ' ';
        complaints += words;
    }
};

namespace {

SteadyTime now() {
    return std::chrono::steady_clock::now();
}

// Where c-ares has no reply to show.
std::string words_for(const Channel::Reply& reply, const DnsOptions& options) {
    const std::string by_tcp = reply.cut_short ? " by TCP, after a truncated reply by UDP" : "";
    switch (reply.status) {
        case ARES_ETIMEOUT:
            return "gave no answer" + by_tcp + " (" + std::to_string(options.tries) +
                   " tries, the first of " + std::to_string(options.timeout.count()) + " ms)";
        case ARES_ECONNREFUSED:
            return "could not be asked" + by_tcp + ": nothing listens there, or the network is unreachable";
        default:
            return "could not be asked" + by_tcp + ": " + ares_strerror(reply.status);
    }
}

}  // namespace

Servers::Servers(asio::any_io_executor executor, const DnsOptions& options)
    : executor_(std::move(executor)), options_(options), order_(0) {}

Result<std::shared_ptr<Servers>> Servers::create(asio::any_io_executor executor, const DnsOptions& options) {
    const Result<std::vector<Endpoint>> known = Channel::servers_of(options);
    if (!known) {
        return known.error();
    }
    std::shared_ptr<Servers> made(new Servers(executor, options));
    for (const Endpoint& server : *known) {
        Result<std::shared_ptr<Channel>> channel = Channel::create(executor, server, options);
        if (!channel) {
            return channel.error();
        }
        made->servers_.emplace_back(std::move(*channel), server);
    }
    made->order_ = ServerOrder(made->servers_.size());
    return made;
}

Servers::~Servers() {
    closed_ = true;
    for (Server& server : servers_) {
        server.channel.reset();
        server.without_edns.reset();
    }
}

void Servers::ask(std::string name, RecordType type, Done done) {
    auto question = std::make_shared<Question>(executor_, std::move(name), type, std::move(done));
    ++pending_;
    question->order = order_.order(now());
    ask_next(question);
}

void Servers::ask_next(const std::shared_ptr<Question>& question) {
    if (closed_ || question->next == question->order.size()) {
        give_up(question);
        return;
    }
    ask_server(question, question->order[question->next++]);
}

void Servers::ask_server(const std::shared_ptr<Question>& question, std::size_t server) {
    const SteadyTime asked = now();
    ++question->open;
    ++servers_[server].figures.queries;
    // A copy, as a reply may end what holds this.
    const std::shared_ptr<Channel> channel = channel_of(servers_[server]);
    channel->query(question->name, question->type,
                   [this, question, server, asked](const Channel::Reply& reply) {
                       --question->open;
                       replied(question, server, asked, reply);
                   });
    if (!question->landed && question->open > 0) {
        wait_for_patience(question, server, asked);
    }
}

std::shared_ptr<Channel> Servers::channel_of(Server& server) {
    if (server.plain && !server.without_edns) {
        Result<std::shared_ptr<Channel>> made = Channel::create(executor_, server.endpoint, options_, true);
        if (made) {
            server.without_edns = std::move(*made);
        }
    }
    return server.plain && server.without_edns ? server.without_edns : server.channel;
}

void Servers::wait_for_patience(const std::shared_ptr<Question>& question, std::size_t server,
                                SteadyTime asked) {
    if (question->next == question->order.size()) {
        return;
    }
    question->patience.expires_after(options_.timeout);
    question->patience.async_wait([weak = weak_from_this(), question, server, asked,
                                   next = question->next](const net::error_code& aborted) {
        const auto self = weak.lock();
        // By then the next one may have been asked for another reason.
        if (aborted || !self || question->landed || question->next != next) {
            return;
        }
        self->fell_silent(server, asked);
        self->ask_next(question);
    });
}

void Servers::replied(const std::shared_ptr<Question>& question, std::size_t server, SteadyTime asked,
                      const Channel::Reply& reply) {
    Server& it = servers_[server];
    Lookup answer;
    answer.final_name = question->name;
    if (!reply.octets.empty()) {
        order_.heard(server, now());
        const std::optional<Message> message = read_message(reply.octets);
        if (message) {
            answer = interpret(*message, question->name, question->type);
        } else {
            answer.detail = "sent a reply that makes no sense";
        }
        answer.authenticated = answer.authenticated && options_.trust_ad;
        ++(answer.status == Status::temporary ? it.figures.refusals : it.figures.answers);
        if (message && message->rcode == 1 && !it.plain) {
            it.plain = true;
            // Not here: this runs inside the channel.
            ++question->open;
            asio::post(executor_, [weak = weak_from_this(), question, server] {
                --question->open;
                if (const auto self = weak.lock(); self && !question->landed) {
                    self->closed_ ? self->give_up(question) : self->ask_server(question, server);
                }
            });
            return;
        }
    } else if (!reply.shortage && (reply.status == ARES_ETIMEOUT || reply.status == ARES_ECONNREFUSED)) {
        fell_silent(server, asked);
    }
    if (question->landed) {
        return;
    }
    if (reply.status == ARES_EBADNAME) {
        answer.status = Status::nxdomain;
        answer.detail = "'" + question->name + "' is not a valid domain name";
    }
    if (answer.status != Status::temporary) {
        land(question, std::move(answer));
        return;
    }
    question->answered = question->answered || !reply.octets.empty();
    question->shortage = question->shortage || reply.shortage;
    if (!answer.detail.empty()) {
        question->complain(it.figures.address, answer.detail);
    } else if (reply.shortage) {
        question->complain(it.figures.address,
                           "could not be asked: this process has no descriptors or memory left");
    } else if (!closed_) {
        question->complain(it.figures.address, words_for(reply, options_));
    }
    if (question->open == 0) {
        ask_next(question);
    }
}

void Servers::fell_silent(std::size_t server, SteadyTime asked) {
    if (closed_) {
        return;
    }
    Server& it = servers_[server];
    ++it.figures.silences;
    if (order_.silent(server, asked, now()) && servers_.size() > 1) {
        log::warning("dns")
            .kv("server", it.figures.address)
            .kv("note", "does not answer; others are asked first for a while");
    }
}

void Servers::give_up(const std::shared_ptr<Question>& question) {
    if (question->landed || (question->open > 0 && !closed_)) {
        return;
    }
    Lookup none;
    none.final_name = question->name;
    none.local_shortage = closed_ || (question->shortage && !question->answered);
    none.detail = question_of(question->name, question->type) + ": ";
    if (closed_) {
        none.detail += "not asked, as this program ends";
    } else if (servers_.empty()) {
        none.detail += "no DNS server is configured (dns.servers, or /etc/resolv.conf)";
    } else {
        none.detail += question->complaints;
    }
    land(question, std::move(none));
}

void Servers::land(const std::shared_ptr<Question>& question, Lookup answer) {
    question->landed = true;
    question->patience.cancel();
    --pending_;
    question->done(std::move(answer));
}

void Servers::close() {
    closed_ = true;
    for (const Server& server : servers_) {
        server.channel->cancel();
        if (server.without_edns) {
            server.without_edns->cancel();
        }
    }
}

std::vector<ServerFigures> Servers::figures() const {
    std::vector<ServerFigures> all;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        all.push_back(servers_[i].figures);
        all.back().passed_over = order_.passed_over(i, now());
    }
    return all;
}

}  // namespace posthorn::dns
