// A sqlite VFS that remembers what was synced: it can cut the power, fill the disk, break it, or make it
// hang.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>

namespace posthorn::queue::test {

// Registers itself under name(); one for each test. Writes go to the real files at once, so that the store
// works as ever; what a power cut would leave is kept beside them: the synced image of each file, and the
// writes since.
class CrashVfs {
public:
    CrashVfs();
    ~CrashVfs();
    CrashVfs(const CrashVfs&) = delete;
    CrashVfs& operator=(const CrashVfs&) = delete;

    [[nodiscard]] const std::string& name() const;
    // Writes, truncations and syncs so far.
    [[nodiscard]] std::uint64_t calls() const;

    // The power goes at that call from now (1: the next one): it and all later ones fail.
    void cut_after(std::uint64_t calls);
    [[nodiscard]] bool was_cut() const;
    // When every connection is closed: the files become what the disk has, that is everything synced and a
    // random part of the rest, each write whole, torn at a sector, or missing. Power is back.
    void come_back(std::mt19937& random);

    enum class Fault : std::uint8_t { none, full, write_error, sync_error };
    // All writes (or syncs) from that call on fail in this way, until set to none.
    void break_after(Fault fault, std::uint64_t calls = 1);

    // The next sync waits until released.
    void hang_syncs(bool hang);
    // Waits until a sync hangs.
    void wait_for_hanging_sync();

    struct State;

private:
    std::unique_ptr<State> state_;
};

}  // namespace posthorn::queue::test
