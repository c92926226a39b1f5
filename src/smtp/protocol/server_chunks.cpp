// CHUNKING in the server's dialogue: content in chunks of a declared size (RFC 3030).
#include "smtp/protocol/server_session.hpp"

namespace posthorn::smtp::protocol {

using Kind = ServerAction::Kind;

// What follows a BDAT is the chunk, whatever we think of the command: a refused chunk is read to its end and
// forgotten before the refusal is said (s2), so that no content is ever taken for commands. Where the end
// cannot be known, nothing more is read at all.
std::optional<ServerAction> ServerSession::on_bdat(std::string_view arguments) {
    const auto command = parse_bdat(arguments);
    if (!command)
        return lose_step("501 5.5.4 Syntax: BDAT octets [LAST]; the end of the chunk is unknown\r\n");
    if (command->size > kMaxChunk) return lose_step("552 5.3.4 No chunk is that large\r\n");
    chunk_ = {command->size, command->size, command->last, chunk_refusal(*command)};
    if (chunk_.refusal || transaction_.chunked) return begin_chunk();
    transaction_.chunked = true;
    return ask(Waiting::data, Kind::begin_data);
}

std::optional<ServerAction> ServerSession::lose_step(std::string_view wire) {
    say(wire);
    return close(SessionEnd::unknown_chunk);
}

std::optional<Reply> ServerSession::chunk_refusal(const BdatCommand& command) {
    if (state_ == State::fresh) return make_reply(503, "5.5.1", "Bad sequence of commands: send EHLO first");
    if (facts_.auth == SessionAuth::required && !authenticated())
        return make_reply(530, "5.7.0", "Authentication required");
    if (state_ == State::greeted) return make_reply(503, "5.5.1", "Bad sequence of commands");
    if (state_ == State::mail) return make_reply(503, "5.5.1", "No valid recipients");
    const std::uint64_t taken = transaction_.scanner.facts().size, limit = facts_.limits.max_message_size;
    // RFC 1870 s6.3; what was taken is never more than the limit.
    if (command.size > limit - taken) return too_large();
    return std::nullopt;
}

std::optional<ServerAction> ServerSession::begin_chunk() {
    chunk_.before = state_;
    state_ = State::chunk;
    if (chunk_.left > 0) return std::nullopt;
    return end_of_chunk();
}

std::optional<ServerAction> ServerSession::take_chunk_from(std::string_view& in) {
    const std::string_view piece = in.substr(0, chunk_.left);
    in.remove_prefix(piece.size());
    chunk_.left -= piece.size();
    if (!chunk_.refusal) {
        transaction_.scanner.feed(piece);
        content_ += piece;
    }
    if (chunk_.left > 0) return std::nullopt;
    more_ = !in.empty();
    return end_of_chunk();
}

std::optional<ServerAction> ServerSession::end_of_chunk() {
    if (!chunk_.refusal) {
        if (chunk_.last) transaction_.scanner.finish(content_);
        chunk_.refusal = content_refusal();
    }
    if (chunk_.refusal) {
        if (!transaction_.chunked) return refuse_chunk();
        refusal_ = *chunk_.refusal;
        return ask(Waiting::dropped, Kind::drop);
    }
    if (chunk_.last) return ask(Waiting::stored, Kind::store);
    state_ = State::chunks;
    say("250 2.0.0 " + std::to_string(chunk_.size) + " octets received\r\n");
    return std::nullopt;
}

// A refused chunk ends its transaction: no later one may become the beginning of a message. Those that a
// client had sent before it could read the refusal are out of order, but no errors of its.
std::optional<ServerAction> ServerSession::refuse_chunk() {
    const bool counts = chunk_.before != State::mail && chunk_.before != State::rcpt &&
                        chunk_.before != State::chunks && !transaction_.failed;
    fresh_transaction(chunk_.before == State::fresh ? State::fresh : State::greeted);
    transaction_.failed = !counts && !chunk_.last;
    return counts ? error(*chunk_.refusal) : (say(*chunk_.refusal), std::nullopt);
}

// The transaction goes, and with it what the driver has of a message that came in chunks.
std::optional<ServerAction> ServerSession::start_over(State next) {
    const bool begun = transaction_.chunked;
    fresh_transaction(next);
    if (!begun) return std::nullopt;
    return ask(Waiting::abandoned, Kind::abandon);
}

ServerAction ServerSession::on_abandoned() {
    answered();
    return resume();
}

}  // namespace posthorn::smtp::protocol
