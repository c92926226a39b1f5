// The VFS shim over sqlite's own.
#include "crash_vfs.hpp"

#include <sqlite3.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace posthorn::queue::test {

namespace {

constexpr std::size_t kSector = 512;

struct Change {
    bool truncation = false;
    std::size_t offset = 0;  // or the new size
    std::string data;
};

struct Image {
    std::string synced;
    std::vector<Change> unsynced;
};

void replay(std::string& image, const Change& change) {
    if (change.truncation) {
        image.resize(change.offset);
        return;
    }
    if (image.size() < change.offset + change.data.size()) {
        image.resize(change.offset + change.data.size());
    }
    image.replace(change.offset, change.data.size(), change.data);
}

}  // namespace

struct CrashVfs::State {
    std::string name;
    sqlite3_vfs vfs{};
    sqlite3_vfs* below = nullptr;
    mutable std::mutex mutex;
    std::condition_variable changed;
    std::map<std::string, Image> images;
    std::uint64_t calls = 0;
    std::uint64_t cut_at = 0;  // 0: never
    bool cut = false;
    Fault fault = Fault::none;
    std::uint64_t fault_at = 0;
    bool hang = false;
    bool hanging = false;

    // Counts a call; what it is to answer.
    int count(bool sync) {
        calls += 1;
        if (cut_at != 0 && calls >= cut_at) {
            cut = true;
        }
        if (cut) {
            return sync ? SQLITE_IOERR_FSYNC : SQLITE_IOERR_WRITE;
        }
        if (fault != Fault::none && calls >= fault_at) {
            if (fault == Fault::full && !sync) {
                return SQLITE_FULL;
            }
            if (fault == Fault::write_error && !sync) {
                return SQLITE_IOERR_WRITE;
            }
            if (fault == Fault::sync_error && sync) {
                return SQLITE_IOERR_FSYNC;
            }
        }
        return SQLITE_OK;
    }
};

namespace {

struct File {
    sqlite3_file base;
    CrashVfs::State* state;
    std::string* path;    // null: a temporary file, not tracked
    sqlite3_file* below;  // behind this struct
};

File* self(sqlite3_file* file) {
    return reinterpret_cast<File*>(file);
}
const sqlite3_io_methods& below(sqlite3_file* file) {
    return *self(file)->below->pMethods;
}

int file_close(sqlite3_file* file) {
    const int code = below(file).xClose(self(file)->below);
    delete self(file)->path;
    self(file)->path = nullptr;
    return code;
}
int file_read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
    return below(file).xRead(self(file)->below, to, size, offset);
}
int file_write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
    CrashVfs::State& state = *self(file)->state;
    const std::lock_guard lock(state.mutex);
    if (const int code = state.count(false); code != SQLITE_OK) {
        return code;
    }
    if (self(file)->path != nullptr) {
        state.images[*self(file)->path].unsynced.push_back(
            {false, static_cast<std::size_t>(offset),
             std::string(static_cast<const char*>(from), static_cast<std::size_t>(size))});
    }
    return below(file).xWrite(self(file)->below, from, size, offset);
}
int file_truncate(sqlite3_file* file, sqlite3_int64 size) {
    CrashVfs::State& state = *self(file)->state;
    const std::lock_guard lock(state.mutex);
    if (const int code = state.count(false); code != SQLITE_OK) {
        return code;
    }
    if (self(file)->path != nullptr) {
        state.images[*self(file)->path].unsynced.push_back({true, static_cast<std::size_t>(size), {}});
    }
    return below(file).xTruncate(self(file)->below, size);
}
// No real sync: the test's power cut is the only one there is, and hundreds of rounds are to be quick.
int file_sync(sqlite3_file* file, int /*flags*/) {
    CrashVfs::State& state = *self(file)->state;
    std::unique_lock lock(state.mutex);
    if (state.hang) {
        state.hanging = true;
        state.changed.notify_all();
        state.changed.wait(lock, [&] { return !state.hang; });
        state.hanging = false;
    }
    if (const int code = state.count(true); code != SQLITE_OK) {
        if (state.fault == CrashVfs::Fault::sync_error && !state.cut && self(file)->path != nullptr) {
            // What a kernel may do: the pages are called clean and were never written.
            state.images[*self(file)->path].unsynced.clear();
        }
        return code;
    }
    if (self(file)->path != nullptr) {
        Image& image = state.images[*self(file)->path];
        for (const Change& change : image.unsynced) {
            replay(image.synced, change);
        }
        image.unsynced.clear();
    }
    return SQLITE_OK;
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
    return below(file).xFileSize(self(file)->below, size);
}
int file_lock(sqlite3_file* file, int level) {
    return below(file).xLock(self(file)->below, level);
}
int file_unlock(sqlite3_file* file, int level) {
    return below(file).xUnlock(self(file)->below, level);
}
int file_check_lock(sqlite3_file* file, int* result) {
    return below(file).xCheckReservedLock(self(file)->below, result);
}
int file_control(sqlite3_file* file, int op, void* argument) {
    return below(file).xFileControl(self(file)->below, op, argument);
}
int file_sector_size(sqlite3_file* /*file*/) {
    return kSector;
}
// As the real one: powersafe overwrite. Without it sqlite pads each commit to a sector, and syncs before the
// padding's end.
int file_characteristics(sqlite3_file* file) {
    return below(file).xDeviceCharacteristics(self(file)->below);
}
int file_shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** to) {
    return below(file).xShmMap(self(file)->below, page, size, extend, to);
}
int file_shm_lock(sqlite3_file* file, int offset, int n, int flags) {
    return below(file).xShmLock(self(file)->below, offset, n, flags);
}
void file_shm_barrier(sqlite3_file* file) {
    below(file).xShmBarrier(self(file)->below);
}
int file_shm_unmap(sqlite3_file* file, int remove) {
    return below(file).xShmUnmap(self(file)->below, remove);
}

const sqlite3_io_methods kMethods = {2,
                                     file_close,
                                     file_read,
                                     file_write,
                                     file_truncate,
                                     file_sync,
                                     file_size,
                                     file_lock,
                                     file_unlock,
                                     file_check_lock,
                                     file_control,
                                     file_sector_size,
                                     file_characteristics,
                                     file_shm_map,
                                     file_shm_lock,
                                     file_shm_barrier,
                                     file_shm_unmap,
                                     nullptr,
                                     nullptr};

CrashVfs::State& state_of(sqlite3_vfs* vfs) {
    return *static_cast<CrashVfs::State*>(vfs->pAppData);
}

int vfs_open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
    CrashVfs::State& state = state_of(vfs);
    File* mine = self(file);
    mine->base.pMethods = nullptr;
    mine->state = &state;
    mine->path = nullptr;
    mine->below = reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + sizeof(File));
    const int code = state.below->xOpen(state.below, path, mine->below, flags, out_flags);
    if (code == SQLITE_OK) {
        mine->base.pMethods = &kMethods;
        if (path != nullptr) {
            mine->path = new std::string(path);
        }
    }
    return code;
}
int vfs_delete(sqlite3_vfs* vfs, const char* path, int sync) {
    CrashVfs::State& state = state_of(vfs);
    const std::lock_guard lock(state.mutex);
    if (state.count(false) != SQLITE_OK) {
        return SQLITE_IOERR_DELETE;
    }
    state.images.erase(path);
    return state.below->xDelete(state.below, path, sync);
}
int vfs_access(sqlite3_vfs* vfs, const char* path, int flags, int* result) {
    return state_of(vfs).below->xAccess(state_of(vfs).below, path, flags, result);
}
int vfs_full_path(sqlite3_vfs* vfs, const char* path, int size, char* to) {
    return state_of(vfs).below->xFullPathname(state_of(vfs).below, path, size, to);
}
int vfs_randomness(sqlite3_vfs* vfs, int size, char* to) {
    return state_of(vfs).below->xRandomness(state_of(vfs).below, size, to);
}
int vfs_sleep(sqlite3_vfs* vfs, int microseconds) {
    return state_of(vfs).below->xSleep(state_of(vfs).below, microseconds);
}
int vfs_time(sqlite3_vfs* vfs, double* time) {
    return state_of(vfs).below->xCurrentTime(state_of(vfs).below, time);
}
int vfs_last_error(sqlite3_vfs* vfs, int size, char* to) {
    return state_of(vfs).below->xGetLastError(state_of(vfs).below, size, to);
}

std::atomic<int> serial{0};

}  // namespace

CrashVfs::CrashVfs() : state_(std::make_unique<State>()) {
    state_->name = "crash" + std::to_string(++serial);
    state_->below = sqlite3_vfs_find(nullptr);
    sqlite3_vfs& vfs = state_->vfs;
    vfs.iVersion = 1;
    vfs.szOsFile = static_cast<int>(sizeof(File)) + state_->below->szOsFile;
    vfs.mxPathname = state_->below->mxPathname;
    vfs.zName = state_->name.c_str();
    vfs.pAppData = state_.get();
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    vfs.xAccess = vfs_access;
    vfs.xFullPathname = vfs_full_path;
    vfs.xRandomness = vfs_randomness;
    vfs.xSleep = vfs_sleep;
    vfs.xCurrentTime = vfs_time;
    vfs.xGetLastError = vfs_last_error;
    sqlite3_vfs_register(&vfs, 0);
}

CrashVfs::~CrashVfs() {
    sqlite3_vfs_unregister(&state_->vfs);
}

const std::string& CrashVfs::name() const {
    return state_->name;
}

std::uint64_t CrashVfs::calls() const {
    const std::lock_guard lock(state_->mutex);
    return state_->calls;
}

void CrashVfs::cut_after(std::uint64_t calls) {
    const std::lock_guard lock(state_->mutex);
    state_->cut_at = state_->calls + calls;
}

bool CrashVfs::was_cut() const {
    const std::lock_guard lock(state_->mutex);
    return state_->cut;
}

void CrashVfs::come_back(std::mt19937& random) {
    const std::lock_guard lock(state_->mutex);
    // A disk writes in any order, but whether a given write has arrived differs from cut to cut.
    const unsigned share = random() % 101;
    for (auto& [path, image] : state_->images) {
        for (Change& change : image.unsynced) {
            if (random() % 100 >= share) {
                continue;
            }
            if (!change.truncation && random() % 4 == 0) {
                change.data.resize(change.data.size() * (random() % 4) / 4 / kSector * kSector);
            }
            replay(image.synced, change);
        }
        image.unsynced.clear();
        std::ofstream(path, std::ios::binary | std::ios::trunc) << image.synced;
        std::remove((path + "-shm").c_str());
    }
    state_->cut = false;
    state_->cut_at = 0;
    state_->fault = Fault::none;
}

void CrashVfs::break_after(Fault fault, std::uint64_t calls) {
    const std::lock_guard lock(state_->mutex);
    state_->fault = fault;
    state_->fault_at = state_->calls + calls;
}

void CrashVfs::hang_syncs(bool hang) {
    const std::lock_guard lock(state_->mutex);
    state_->hang = hang;
    state_->changed.notify_all();
}

void CrashVfs::wait_for_hanging_sync() {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [this] { return state_->hanging; });
}

}  // namespace posthorn::queue::test
