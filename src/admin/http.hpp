// What an endpoint sees of HTTP: a request taken apart, and the answer it gives. Nothing here knows the
// library.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/unique_function.hpp"

namespace posthorn::admin {

// What somebody may. Each has what stands above it, but for `own`, which is of users of this machine alone.
enum class Rights : std::uint8_t {
    none,  // over TCP before a token was shown: the page, and the way to log in
    own,   // every user of this machine, by the unix socket: his own mail, no more
    read,  // admin.read_only_token, and everybody over TCP where admin.read_only says so: sees everything, changes nothing
    all,   // root, the daemon's own user, admin.operators; who shows admin.token
};
[[nodiscard]] std::string_view to_string(Rights rights);

// Who asks: by the kernel's word (SO_PEERCRED), or by the token he shows (access.hpp).
struct Visitor {
    std::uint32_t uid = UINT32_MAX;  // over TCP nobody's
    Rights rights = Rights::none;

    [[nodiscard]] bool sees_all() const { return rights == Rights::read || rights == Rights::all; }
};

struct Request {
    std::string method;                        // "GET"
    std::string path;                          // decoded: "/v1/queue/0abc"
    std::map<std::string, std::string> query;  // decoded; of equal names the last
    std::string segment;                       // of the path: what the template of its place has in braces; filled in by the router
    std::map<std::string, std::string> fields; // the header: names in lower case; what came several times is joined by ", " (RFC 9110 s5.3)
    std::string body;
    bool keep_alive = false;
    bool chunks = false;  // an answer may come in chunks (HTTP/1.1)
    Visitor visitor;      // filled in by the server
    bool by_socket = true;   // it came by the unix socket, and visitor.uid is the peer's
    bool near = true;        // the peer is on this machine: a web server here may say how it was asked
    SteadyTime answer_by = SteadyTime::max();  // after that nobody waits for the answer; filled in by the server

    // A field of the header, or nothing: field("if-none-match").
    [[nodiscard]] std::string_view field(const std::string& name) const;
};

struct Answer;
// Called once, on the server's io_context.
using Respond = UniqueFunction<void(Answer)>;

struct Answer {
    unsigned status = 200;
    std::string body;   // JSON, unless content_type says otherwise
    std::string allow;  // with 405: the methods that are allowed
    std::string_view content_type = "application/json";  // of static storage
    // There is more than body: called when that is written, gives the next piece, and so on until one has no more. So a long
    // listing takes no memory. A piece with another status than 200 cuts the answer off, so that nobody takes it for whole.
    std::function<void(Respond)> more{};
    std::string_view cache_control = "no-store";                       // of static storage
    std::vector<std::pair<std::string_view, std::string>> fields{};   // further fields: {"ETag", "\"1a2b\""}; names of static storage
    Duration delay{};    // it is given only after this time
    bool exact = false;  // the body octet for octet; else a line feed is put behind it
};

[[nodiscard]] Answer failure(unsigned status, std::string_view what);  // {"error": what}
[[nodiscard]] Answer plain_text(unsigned status, std::string_view words);  // for programs that read no JSON

// Takes requests out of octets as they arrive: a thin cover over Boost.Beast's parser, with its bounds.
class RequestReader {
public:
    RequestReader(std::size_t header_limit, std::size_t body_limit);
    ~RequestReader();
    RequestReader(const RequestReader&) = delete;
    RequestReader& operator=(const RequestReader&) = delete;

    enum class Progress { incomplete, complete, refused };
    // Takes what it can off the front of buffer. After `complete` take() has the request and the next one
    // begins; after `refused` refusal() says why and the connection ends.
    [[nodiscard]] Progress feed(std::string& buffer);
    [[nodiscard]] Request take();
    [[nodiscard]] const Answer& refusal() const { return refusal_; }

private:
    struct Parser;
    void begin();
    std::size_t header_limit_;
    std::size_t body_limit_;
    std::unique_ptr<Parser> parser_;
    Answer refusal_;
};

// The answer with its status line and fields; of one with `more` only its first piece. In chunks (RFC 9112 s7.1), or without
// any length, for clients of HTTP/1.0, whose answer ends with the connection. `head`: of a HEAD request, without the body. `now` is its Date
// (RFC 9110 s6.6.1), by which the dashboard tells how long ago something was, whatever the browser's clock says.
[[nodiscard]] std::string to_wire(const Answer& answer, TimePoint now, bool keep_alive, bool chunks = true, bool head = false);
// A further piece; `last`: the end of the whole.
[[nodiscard]] std::string piece_to_wire(std::string_view piece, bool last, bool chunks);

}  // namespace posthorn::admin
