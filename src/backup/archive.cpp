// Plain write(2) and read(2): whoever wants compression or encryption puts a program behind the pipe.
#include "backup/archive.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>

#include "auth/crypto.hpp"

namespace posthorn::backup {

namespace {

namespace json = boost::json;

constexpr std::size_t kPiece = 128 * 1024;
constexpr std::size_t kMostManifest = 256 * 1024 * 1024;   // two million members
constexpr std::uint32_t kManifestMode = 0600;

constexpr std::string_view kCutOff = "the backup is cut off: it ends before its manifest. It was not written to its end, or not copied whole";

// SHA-256 as it goes along.
class Digest {
public:
    Digest() : context_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(context_.get(), auth::sha256(), nullptr); }
    void add(std::string_view octets) { EVP_DigestUpdate(context_.get(), octets.data(), octets.size()); }
    std::string hex() {
        constexpr std::string_view kDigits = "0123456789abcdef";
        auth::Sha256 digest{};
        unsigned size = digest.size();
        EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
        std::string out;
        for (const std::uint8_t octet : digest) {
            out += kDigits[octet >> 4U];
            out += kDigits[octet & 15U];
        }
        return out;
    }

private:
    auth::OpensslPtr<EVP_MD_CTX> context_;
};

Error damaged(const std::string& name) {
    return Error{"the backup is damaged: ", name, " is not what was written (its checksum differs)"};
}

}  // namespace

Result<void> ArchiveWriter::write(std::string_view octets) {
    while (!octets.empty()) {
        const ssize_t count = ::write(fd_, octets.data(), octets.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error{"cannot write the backup: ", std::strerror(errno)};
        octets.remove_prefix(static_cast<std::size_t>(count));
        written_ += static_cast<std::uint64_t>(count);
    }
    return {};
}

Result<void> ArchiveWriter::begin(const std::string& name, std::uint64_t size, std::uint32_t mode, std::int64_t modified) {
    const auto block = tar_block({name, size, mode, modified});
    if (!block) return Error{"the path ", name, " is too long for a backup (", std::to_string(kMostTarName), " octets)"};
    return write({block->data(), block->size()});
}

Result<void> ArchiveWriter::add(const std::string& name, std::string_view content, std::uint32_t mode, std::int64_t modified) {
    if (Result<void> begun = begin(name, content.size(), mode, modified); !begun) return begun;
    if (Result<void> done = write(content); !done) return done;
    Digest digest;
    digest.add(content);
    members_.push_back({name, content.size(), digest.hex()});
    return write(std::string(tar_padding(content.size()), '\0'));
}

Result<void> ArchiveWriter::add_file(const std::string& name, int file, std::uint64_t size, std::uint32_t mode, std::int64_t modified) {
    if (Result<void> begun = begin(name, size, mode, modified); !begun) return begun;
    Digest digest;
    std::string piece(kPiece, '\0');
    for (std::uint64_t at = 0; at < size;) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), size - at));
        const ssize_t count = ::pread(file, piece.data(), wanted, static_cast<off_t>(at));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error{"cannot read ", name, ": ", std::strerror(errno)};
        if (count == 0) return Error{name, " became shorter while it was read"};
        const std::string_view got(piece.data(), static_cast<std::size_t>(count));
        digest.add(got);
        if (Result<void> done = write(got); !done) return done;
        at += got.size();
    }
    members_.push_back({name, size, digest.hex()});
    return write(std::string(tar_padding(size), '\0'));
}

Result<void> ArchiveWriter::finish(std::int64_t now) {
    json::array list;
    for (const Member& member : members_) {
        json::object one;
        one["name"] = member.name;
        one["size"] = member.size;
        one["sha256"] = member.sha256;
        list.push_back(std::move(one));
    }
    json::object manifest;
    manifest["members"] = std::move(list);
    const std::string text = json::serialize(manifest) + "\n";
    if (Result<void> done = add(std::string(kLastMember), text, kManifestMode, now); !done) return done;
    return write(std::string(2 * kTarBlock, '\0'));
}

Result<void> ArchiveReader::read(char* to, std::size_t size) {
    while (size > 0) {
        const ssize_t count = ::read(fd_, to, size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error{"cannot read the backup: ", std::strerror(errno)};
        if (count == 0) return Error{kCutOff};
        to += count;
        size -= static_cast<std::size_t>(count);
    }
    return {};
}

Result<std::optional<TarHeader>> ArchiveReader::next() {
    if (!content_read_) {
        const Result<void> skipped = content([](std::string_view) -> Result<void> { return {}; });
        if (!skipped) return skipped.error();
    }
    std::array<char, kTarBlock> block{};
    if (const Result<void> got = read(block.data(), block.size()); !got) {
        const bool ended = got.error().what == kCutOff;   // else it could not be read
        return members_.empty() && ended ? Error{"this is no backup of Posthorn's: it is empty or too short"} : got.error();
    }
    const std::string_view octets(block.data(), block.size());
    auto header = read_tar_block(octets);
    if (!header && members_.empty()) return Error{"this is no backup of Posthorn's (if it was compressed: `zstd -dc FILE | posthorn restore -`)"};
    if (!header) return Error{is_end_block(octets) ? std::string(kCutOff) : std::string("the backup is damaged: a header is unreadable")};
    if (members_.empty() && header->name != kFirstMember)
        return Error{"this is no backup of Posthorn's: it begins with ", header->name, " and not with ", kFirstMember};
    current_ = *header;
    content_read_ = false;
    if (header->name != kLastMember) return header;
    const Result<std::string> manifest = text(kMostManifest);
    if (!manifest) return manifest.error();
    members_.pop_back();                               // it does not name itself
    if (const Result<void> good = check_manifest(*manifest); !good) return good.error();
    return std::optional<TarHeader>();
}

Result<void> ArchiveReader::content(const std::function<Result<void>(std::string_view)>& sink) {
    Digest digest;
    std::string piece(kPiece, '\0');
    content_read_ = true;
    for (std::uint64_t left = current_.size; left > 0;) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), left));
        if (Result<void> got = read(piece.data(), wanted); !got) return got;
        const std::string_view octets(piece.data(), wanted);
        digest.add(octets);
        if (Result<void> taken = sink(octets); !taken) return taken;
        left -= wanted;
    }
    members_.push_back({current_.name, current_.size, digest.hex()});
    return read(piece.data(), tar_padding(current_.size));
}

Result<std::string> ArchiveReader::text(std::size_t most) {
    if (current_.size > most) return Error{"the backup is damaged: ", current_.name, " has ", std::to_string(current_.size), " octets"};
    std::string all;
    const Result<void> read_all = content([&](std::string_view piece) -> Result<void> {
        all += piece;
        return {};
    });
    if (!read_all) return read_all.error();
    return all;
}

Result<void> ArchiveReader::check_manifest(std::string_view text) const {
    boost::system::error_code bad;
    const json::value parsed = json::parse({text.data(), text.size()}, bad);
    const json::object* manifest = bad ? nullptr : parsed.if_object();
    const json::value* list = manifest == nullptr ? nullptr : manifest->if_contains("members");
    if (list == nullptr || !list->is_array()) return Error{"the backup is damaged: its manifest is unreadable"};
    std::map<std::string, std::string, std::less<>> named;   // name -> digest
    for (const json::value& value : list->as_array()) {
        const json::object* one = value.if_object();
        const json::value* name = one == nullptr ? nullptr : one->if_contains("name");
        const json::value* digest = one == nullptr ? nullptr : one->if_contains("sha256");
        if (name == nullptr || !name->is_string() || digest == nullptr || !digest->is_string())
            return Error{"the backup is damaged: its manifest is unreadable"};
        named.emplace(std::string(name->as_string()), std::string(digest->as_string()));
    }
    std::set<std::string_view> seen;
    for (const Member& member : members_) {
        if (!seen.insert(member.name).second) return Error{"the backup is damaged: ", member.name, " is in it twice"};
        const auto found = named.find(member.name);
        if (found == named.end()) return Error{"the backup is damaged: its manifest does not name ", member.name};
        if (found->second != member.sha256) return damaged(member.name);
    }
    for (const auto& [name, digest] : named) {
        if (!seen.contains(name)) return Error{"the backup is damaged: ", name, " is missing"};
    }
    return {};
}

}  // namespace posthorn::backup
