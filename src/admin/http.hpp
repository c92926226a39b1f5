// What an endpoint sees of HTTP: a request taken apart, and the answer it gives. Nothing here knows the
// library.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_function.hpp"

namespace posthorn::admin {

struct Request {
    std::string method;                        // "GET"
    std::string path;                          // decoded: "/v1/queue/0abc"
    std::map<std::string, std::string> query;  // decoded; of equal names the last
    std::string body;
    bool keep_alive = false;
};

struct Answer {
    unsigned status = 200;
    std::string body;   // JSON, unless content_type says otherwise
    std::string allow;  // with 405: the methods that are allowed
    std::string_view content_type = "application/json";  // of static storage
};

// Called once, on the server's io_context.
using Respond = UniqueFunction<void(Answer)>;

[[nodiscard]] Answer failure(unsigned status, std::string_view what);  // {"error": what}

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

// The answer with its status line and fields.
[[nodiscard]] std::string to_wire(const Answer& answer, bool keep_alive);

}  // namespace posthorn::admin
