// What is done before a queue of an older schema is migrated: one copy is kept, for whoever must go back to the older program.
#pragma once

#include <cstdint>
#include <string>

namespace posthorn::queue::sqlite {

// Beside the queue's database; mail is in it. Replaced by the next migration, removed at the first start two weeks later.
inline constexpr const char* kBeforeUpgrade = "/queue.sqlite.before-upgrade";

// Where the database of `directory` has an older schema, keeps a copy of it as it is, if that is cheap (256 MiB at most, and the disk has room
// beyond min_free_space), and says in the log what is migrated and where the copy is, or why there is none. Never stops a start.
void keep_before_upgrade(const std::string& directory, const std::string& vfs, std::uint64_t min_free_space);

// Whether a program that knows more than this one has written the queue: then trying again does not help.
[[nodiscard]] bool is_of_newer_program(const std::string& directory);

}  // namespace posthorn::queue::sqlite
