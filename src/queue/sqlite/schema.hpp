// The tables of the queue and the steps from each version of them to the next.
#pragma once

#include <span>

#include "queue/sqlite/database.hpp"

namespace posthorn::queue::sqlite {

// migrations()[n] leads from user_version n to n + 1. A released step is never changed; a new one is
// appended.
using Migration = const char*;
[[nodiscard]] std::span<const Migration> migrations();

// What a reader must know of the rows beyond RecipientState: removed by the operator while a delivery had it.
inline constexpr int kStateRemoved = 2;

// Bits of message.flags.
struct MessageFlags {
    static constexpr std::int64_t smtputf8 = 1, require_tls = 2, header_has_8bit = 4, body_has_8bit = 8,
                                  leading_dot = 16, ends_with_crlf = 32, personal = 64;
    static constexpr int body_type_shift = 8;  // two bits
    static constexpr int return_shift = 10;    // two bits
};

// Brings the schema to the last version, all steps in one transaction: no program has one in between. Throws SqliteFailure; a
// database of a newer program is refused with its version and ours.
void migrate(Connection& connection, std::span<const Migration> steps = migrations());

}  // namespace posthorn::queue::sqlite
