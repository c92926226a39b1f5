// The names of a client's actions and of recipients' fates, as logs and tests show them.
#include "smtp/protocol/client_session.hpp"

namespace posthorn::smtp::protocol {

std::string_view to_string(ClientAction::Kind kind) {
    switch (kind) {
        case ClientAction::Kind::read:
            return "read";
        case ClientAction::Kind::start_tls:
            return "start_tls";
        case ClientAction::Kind::log_in:
            return "log_in";
        case ClientAction::Kind::send_message:
            return "send_message";
        case ClientAction::Kind::send_chunk:
            return "send_chunk";
        case ClientAction::Kind::ready:
            return "ready";
        case ClientAction::Kind::close:
            return "close";
    }
    return "unknown";
}

std::string_view to_string(Fate fate) {
    switch (fate) {
        case Fate::delivered:
            return "delivered";
        case Fate::refused:
            return "refused";
        case Fate::split:
            return "split";
    }
    return "unknown";
}

}  // namespace posthorn::smtp::protocol
