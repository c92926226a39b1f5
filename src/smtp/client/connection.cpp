// The driver of the client session: one switch over its actions, each with its deadline.
#include "smtp/client/connection.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/error.hpp>

#include <cerrno>

#include "net/connect.hpp"
#include "net/offload.hpp"
#include "smtp/protocol/data_codec.hpp"

namespace posthorn::smtp::client {
namespace {

using protocol::ClientAction;
using protocol::Stage;

constexpr std::size_t kFilePiece = 64 * 1024;

protocol::ClientOptions session_options(const ConnectionOptions& options) {
    protocol::ClientOptions out;
    out.hostname = options.hostname;
    out.tls = options.tls;
    return out;
}

struct FilePiece {
    std::string octets;
    int error = 0;
};

// Blocking; runs in the pool.
FilePiece read_piece(int fd) {
    FilePiece piece;
    piece.octets.resize(kFilePiece);
    const ssize_t count = ::read(fd, piece.octets.data(), piece.octets.size());
    if (count < 0) piece.error = errno;
    piece.octets.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return piece;
}

struct Descriptor {
    explicit Descriptor(int number) : fd(number) {}
    ~Descriptor() {
        if (fd >= 0) ::close(fd);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int fd;
};

}  // namespace

Duration limit_of(const ClientTimeouts& timeouts, Stage stage) {
    switch (stage) {
        case Stage::connect: return timeouts.connect;
        case Stage::greeting: return timeouts.greeting;
        case Stage::tls: return timeouts.tls_handshake;
        case Stage::data: return timeouts.data;
        case Stage::end_of_data: return timeouts.end_of_data;
        case Stage::quit: return timeouts.quit;
        default: return timeouts.command;
    }
}

Connection::Connection(net::Stream stream, Target target, ConnectionOptions options, net::ClientTls& tls,
                       net::asio::thread_pool& files)
    : stream_(std::move(stream)),
      deadline_(stream_),
      target_(std::move(target)),
      options_(std::move(options)),
      tls_(tls),
      files_(files),
      session_(session_options(options_)) {}

net::awaitable<Opened> Connection::open(Target target, ConnectionOptions options, net::ClientTls& tls,
                                        net::asio::thread_pool& files) {
    Opened opened;
    const SteadyTime limit = std::chrono::steady_clock::now() + options.timeouts.connect;
    net::ConnectResult connected = co_await net::connect(target.address, target.port, options.source, limit, options.stop_with);
    if (!connected.ok()) {
        opened.failure.stage = Stage::connect;
        opened.failure.reply.lines.push_back("connecting to " + target.to_string() + " port " +
                                             std::to_string(target.port) + " failed: " + connected.error.message());
        opened.failure.local = true;
        co_return opened;
    }
    auto connection = std::make_unique<Connection>(std::move(*connected.stream), std::move(target), std::move(options), tls, files);
    std::optional<net::TaskGroup::StopCallback> on_stop;
    if (connection->options_.stop_with != nullptr)
        on_stop.emplace(*connection->options_.stop_with, [&connection] { connection->abort(); }, nullptr);
    ClientAction first = connection->session_.start();
    co_await connection->run(std::move(first));
    on_stop.reset();
    if (connection->usable_) {
        opened.connection = std::move(connection);
        co_return opened;
    }
    if (connection->session_.failure()) opened.failure = *connection->session_.failure();
    opened.untrusted = connection->untrusted_;
    // Also when it failed between STARTTLS and the handshake: the peer hung up, or what is not TLS came with its 220.
    opened.tls_failed = connection->tls_failed_ || opened.failure.stage == Stage::starttls;
    co_return opened;
}

net::awaitable<void> Connection::send(protocol::Transaction transaction, Content content) {
    content_ = std::move(content);
    ClientAction action = session_.begin(std::move(transaction));
    co_await run(std::move(action));
    content_ = Content();
}

net::awaitable<void> Connection::quit() {
    if (usable_) {
        ClientAction action = session_.quit();
        co_await run(std::move(action));
    }
    stream_.close();
}

net::awaitable<void> Connection::run(ClientAction action) {
    usable_ = false;
    for (;;) {
        switch (action.kind) {
            case ClientAction::Kind::read: action = co_await read_reply(std::move(action.output)); break;
            case ClientAction::Kind::start_tls: action = co_await start_tls(); break;
            case ClientAction::Kind::send_message: action = co_await send_content(); break;
            case ClientAction::Kind::ready:
                deadline_.clear();
                usable_ = session_.may_begin();
                co_return;
            case ClientAction::Kind::close:
                if (!action.output.empty() && stream_.is_open()) {
                    deadline_.set_after(options_.timeouts.quit);
                    co_await stream_.write(action.output);
                }
                stream_.close();
                deadline_.clear();
                co_return;
        }
    }
}

net::awaitable<ClientAction> Connection::read_reply(std::string output) {
    deadline_.set_after(limit_of(options_.timeouts, session_.stage()));
    if (!output.empty()) {
        const net::IoResult written = co_await stream_.write(output);
        if (!written.ok()) co_return session_.on_lost(why_lost(written.error));
    }
    const net::IoResult got = co_await stream_.read_some(buffer_);
    if (!got.ok()) co_return session_.on_lost(why_lost(got.error));
    co_return session_.on_bytes(std::string_view(buffer_.data(), got.size));
}

net::awaitable<ClientAction> Connection::start_tls() {
    deadline_.set_after(options_.timeouts.tls_handshake);
    net::TlsTarget target(target_.host, target_.port, options_.verify);
    const net::HandshakeResult shaken = co_await stream_.handshake_client(tls_, std::move(target));
    if (!shaken.ok()) {
        tls_failed_ = true;
        untrusted_ = shaken.untrusted;
        co_return session_.on_lost("TLS handshake failed: " + (shaken.detail.empty() ? why_lost(shaken.error) : shaken.detail));
    }
    tls_facts_ = stream_.tls_facts();
    co_return session_.on_tls(tls_facts_.version, tls_facts_.cipher);
}

net::awaitable<ClientAction> Connection::send_content() {
    const mail::Message& message = *content_.message;
    deadline_.set_after(options_.timeouts.data_block);

    // A header line that begins with a dot is legal, if rare; only then the header is copied (RFC 5321 s4.5.2).
    std::string above = std::move(content_.prefix);
    above += message.header;
    above += "\r\n";
    std::string stuffed;
    std::string_view header = above;
    if (above.front() == '.' || above.find("\r\n.") != std::string::npos) {
        protocol::DataEncoder encoder;
        encoder.feed(above, stuffed);
        header = stuffed;
    }

    net::IoResult written;
    if (message.body.spool_file.empty()) {
        if (content_.before_end) content_.before_end();
        const std::string_view body = message.body.bytes ? std::string_view(*message.body.bytes) : std::string_view();
        if (message.body.facts.has_leading_dot) {
            std::string coded;
            protocol::append_stuffed(coded, body);
            const std::array<std::string_view, 2> pieces = {header, coded};
            written = co_await stream_.write(pieces);
        } else {
            const std::array<std::string_view, 3> pieces = {header, body,
                                                            protocol::end_of_data(body.empty() || body.ends_with("\r\n"))};
            written = co_await stream_.write(pieces);
        }
    } else {
        written = co_await stream_.write(header);
        if (written.ok()) written = co_await send_spooled_body();
    }
    if (written.ok()) co_return session_.on_message_sent();
    // A server may refuse in the middle of the message and hang up: its words are worth more than "broken pipe".
    const std::string lost = why_lost(written.error);
    deadline_.set_after(options_.timeouts.quit);
    const net::IoResult got = co_await stream_.read_some(buffer_);
    if (!got.ok() || (buffer_[0] != '4' && buffer_[0] != '5')) co_return session_.on_lost(lost);
    (void)session_.on_message_sent();   // what it asks for is the read that was just done
    co_return session_.on_bytes(std::string_view(buffer_.data(), got.size));
}

// Half a message was sent: nothing that the peer may say now can be about the whole of it.
net::IoResult Connection::body_unreadable(int error) {
    stream_.close();
    return net::IoResult(net::error_code(error, boost::system::system_category()), 0);
}

net::awaitable<net::IoResult> Connection::send_spooled_body() {
    const Descriptor file(::open(content_.body_path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.fd < 0) co_return body_unreadable(errno);
    protocol::DataEncoder encoder;
    std::string coded;
    for (;;) {
        auto work = [fd = file.fd] { return read_piece(fd); };
        FilePiece piece = co_await net::offload(files_, std::move(work));
        if (piece.error != 0) co_return body_unreadable(piece.error);
        coded.clear();
        const bool last = piece.octets.empty();
        if (last && content_.before_end) content_.before_end();
        if (last) encoder.finish(coded);
        else encoder.feed(piece.octets, coded);
        deadline_.set_after(options_.timeouts.data_block);
        const net::IoResult written = co_await stream_.write(coded);
        if (!written.ok() || last) co_return written;
    }
}

std::string Connection::why_lost(const net::error_code& error) const {
    if (deadline_.expired())
        return "no answer from " + target_.to_string() + " in time, while waiting at " +
               std::string(protocol::to_string(session_.stage()));
    if (error == net::asio::error::eof) return "connection closed by " + target_.to_string();
    return "connection to " + target_.to_string() + " lost: " + error.message();
}

}  // namespace posthorn::smtp::client
