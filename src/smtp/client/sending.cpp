// The content on its way out: header and body from memory or a file, with dots stuffed after DATA, as it is after BDAT.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "net/offload.hpp"
#include "smtp/client/connection.hpp"
#include "smtp/protocol/data_codec.hpp"

namespace posthorn::smtp::client {
namespace {

using protocol::ClientAction;

// What is read and written at once: each such block has its own time (RFC 5321 s4.5.3.2.5), so that progress counts.
constexpr std::size_t kBlock = 64 * 1024;
constexpr std::string_view kLineEnd = "\r\n";

struct FilePiece {
    std::string octets;
    int error = 0;
};

// Blocking; runs in the pool.
FilePiece read_piece(int fd, std::size_t most) {
    FilePiece piece;
    piece.octets.resize(most);
    const ssize_t count = ::read(fd, piece.octets.data(), piece.octets.size());
    if (count < 0) piece.error = errno;
    piece.octets.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return piece;
}

}  // namespace

Connection::BodyFile::~BodyFile() {
    if (fd >= 0) ::close(fd);
}

std::string Connection::above_body() {
    std::string above = std::move(content_.prefix);
    above += content_.message->header;
    above += kLineEnd;
    return above;
}

net::awaitable<ClientAction> Connection::send_content() {
    const std::string above = above_body();
    // A header line that begins with a dot is legal, if rare; only then the header is copied (RFC 5321 s4.5.2).
    std::string stuffed;
    std::string_view header = above;
    if (above.front() == '.' || above.find("\r\n.") != std::string::npos) {
        protocol::DataEncoder encoder;
        encoder.feed(above, stuffed);
        header = stuffed;
    }
    note_content(content_.message->body.facts.size + above.size());
    net::IoResult written;
    if (content_.message->body.spool_file.empty()) {
        written = co_await send_in_memory(header);
    } else {
        written = co_await send_spooled(header);
    }
    waited_for_ = kNothing;
    if (written.ok()) co_return session_.on_message_sent();
    co_return co_await after_failure(written.error, false);
}

net::awaitable<net::IoResult> Connection::send_in_memory(std::string_view header) {
    if (content_.before_end) content_.before_end();
    const mail::Body& stored = content_.message->body;
    const std::string_view body = stored.bytes ? std::string_view(*stored.bytes) : std::string_view();
    if (stored.facts.has_leading_dot) {
        std::string coded;
        protocol::append_stuffed(coded, body);
        const std::array<std::string_view, 2> pieces = {header, coded};
        co_return co_await write_pieces(pieces);
    }
    const std::array<std::string_view, 3> pieces = {header, body, protocol::end_of_data(body.empty() || body.ends_with(kLineEnd))};
    co_return co_await write_pieces(pieces);
}

net::awaitable<net::IoResult> Connection::send_spooled(std::string_view header) {
    const std::array<std::string_view, 1> first = {header};
    net::IoResult written = co_await write_pieces(first);
    protocol::DataEncoder encoder;
    std::string coded;
    bool last = false;
    while (written.ok() && !last) {
        const std::string_view piece = co_await next_of_body(kBlock);
        if (body_error_ != 0) co_return body_unreadable(body_error_);
        coded.clear();
        last = piece.empty();
        if (last && content_.before_end) content_.before_end();
        if (last) encoder.finish(coded);
        else encoder.feed(piece, coded);
        wait_for(options_.timeouts.data_block);
        written = co_await stream_.write(coded);
    }
    co_return written;
}

// RFC 3030 s2: exactly so many octets, whatever they are.
net::awaitable<ClientAction> Connection::send_chunk(std::string command, std::uint64_t size) {
    if (above_.empty()) above_ = above_body();
    const bool last = command.ends_with("LAST\r\n");
    const std::string_view above = std::string_view(above_).substr(above_sent_, size);
    above_sent_ += above.size();
    std::uint64_t left = size - above.size();
    transcript_.said(elapsed(), command);
    note_content(size);
    std::array<std::string_view, 3> pieces = {command, above, {}};
    net::IoResult written;
    for (bool first = true; first || (left > 0 && written.ok()); first = false) {
        pieces[2] = {};
        if (left > 0) pieces[2] = co_await next_of_body(std::min<std::uint64_t>(left, kBlock));
        if (left > 0 && pieces[2].empty()) {
            // The file is not what it was: the chunk cannot be filled.
            written = body_unreadable(body_error_ != 0 ? body_error_ : EIO);
            break;
        }
        left -= pieces[2].size();
        if (last && left == 0 && content_.before_end) content_.before_end();
        written = co_await write_pieces(pieces);
        pieces[0] = pieces[1] = {};
    }
    waited_for_ = kNothing;
    if (written.ok()) co_return session_.on_chunk_sent();
    co_return co_await after_failure(written.error, true);
}

net::awaitable<net::IoResult> Connection::write_pieces(std::span<const std::string_view> pieces) {
    std::size_t total = 0;
    for (const std::string_view piece : pieces) total += piece.size();
    wait_for(options_.timeouts.data_block);
    if (total <= kBlock) co_return co_await stream_.write(pieces);
    net::IoResult written;
    for (std::string_view piece : pieces) {
        while (!piece.empty()) {
            const std::string_view block = piece.substr(0, kBlock);
            wait_for(options_.timeouts.data_block);
            written = co_await stream_.write(block);
            if (!written.ok()) co_return written;
            piece.remove_prefix(block.size());
        }
    }
    co_return written;
}

// The next octets of the body, valid until the next call; none: it has ended, or cannot be read (body_error_). A last line
// without its line end gets one.
net::awaitable<std::string_view> Connection::next_of_body(std::uint64_t most) {
    const mail::Body& body = content_.message->body;
    std::string_view piece;
    if (body.bytes) {
        piece = std::string_view(*body.bytes).substr(body_sent_, most);
    } else if (!body.spool_file.empty()) {
        if (!body_file_) body_file_ = std::make_unique<BodyFile>(::open(content_.body_path.c_str(), O_RDONLY | O_CLOEXEC));
        if (body_file_->fd < 0) {
            body_error_ = errno;
            co_return piece;
        }
        auto work = [fd = body_file_->fd, most] { return read_piece(fd, most); };
        FilePiece read = co_await net::offload(files_, std::move(work));
        body_error_ = read.error;
        body_piece_ = std::move(read.octets);
        piece = body_piece_;
    }
    body_sent_ += piece.size();
    if (piece.empty() && body_error_ == 0 && !body.facts.ends_with_crlf) {
        piece = kLineEnd.substr(tail_sent_, most);
        tail_sent_ += piece.size();
    }
    co_return piece;
}

// A server may refuse in the middle of the message and hang up: its words are worth more than "broken pipe".
net::awaitable<ClientAction> Connection::after_failure(net::error_code error, bool of_chunk) {
    const std::string why = lost(error);
    wait_for(options_.timeouts.quit);
    const net::IoResult got = co_await stream_.read_some(buffer_);
    if (!got.ok() || (buffer_[0] != '4' && buffer_[0] != '5')) co_return session_.on_lost(why);
    // What it asks for is the read that was just done.
    if (of_chunk) (void)session_.on_chunk_sent();
    else (void)session_.on_message_sent();
    transcript_.heard(elapsed(), std::string_view(buffer_.data(), got.size));
    co_return session_.on_bytes(std::string_view(buffer_.data(), got.size));
}

// Half a message was sent: nothing that the peer may say now can be about the whole of it.
net::IoResult Connection::body_unreadable(int error) {
    stream_.close();
    return net::IoResult(net::error_code(error, boost::system::system_category()), 0);
}

}  // namespace posthorn::smtp::client
