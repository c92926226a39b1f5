// The names of the stages, as logs and the queue show them.
#include "smtp/protocol/stage.hpp"

namespace posthorn::smtp::protocol {

std::string_view to_string(Stage stage) {
    switch (stage) {
        case Stage::connect:
            return "connect";
        case Stage::greeting:
            return "greeting";
        case Stage::ehlo:
            return "ehlo";
        case Stage::helo:
            return "helo";
        case Stage::starttls:
            return "starttls";
        case Stage::tls:
            return "tls";
        case Stage::auth:
            return "auth";
        case Stage::mail:
            return "mail";
        case Stage::rcpt:
            return "rcpt";
        case Stage::data:
            return "data";
        case Stage::end_of_data:
            return "end_of_data";
        case Stage::rset:
            return "rset";
        case Stage::quit:
            return "quit";
    }
    return "unknown";
}

}  // namespace posthorn::smtp::protocol
