// A bounds-checked reader over the octets of a reply.
#include "dns/message.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace posthorn::dns {
namespace {

constexpr std::size_t kMaxName = 255;  // RFC 1035 s2.3.4
constexpr unsigned kMaxChain = 16;
constexpr unsigned kMaxPointers = 127;  // of one name: it has no more labels

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// A cursor that remembers whether it ever ran over the end; after that everything reads as zero.
class Reader {
public:
    explicit Reader(std::span<const std::uint8_t> octets) : octets_(octets) {}

    [[nodiscard]] bool good() const { return good_; }
    [[nodiscard]] std::size_t position() const { return position_; }
    void seek(std::size_t position) { position_ = position; }
    void skip(std::size_t count) {
        if (count > octets_.size() - position_) {
            good_ = false;
            return;
        }
        position_ += count;
    }
    std::uint8_t u8() {
        if (!good_ || position_ >= octets_.size()) {
            good_ = false;
            return 0;
        }
        return octets_[position_++];
    }
    std::uint16_t u16() {
        const unsigned high = u8();
        return static_cast<std::uint16_t>(high << 8 | u8());
    }
    std::uint32_t u32() {
        const std::uint32_t high = u16();
        return high << 16 | u16();
    }
    std::string bytes(std::size_t count) {
        if (!good_ || count > octets_.size() - position_) {
            good_ = false;
            return {};
        }
        std::string text(reinterpret_cast<const char*>(octets_.data()) + position_, count);
        position_ += count;
        return text;
    }

    // RFC 1035 s4.1.4. A pointer must lead before the place it stands at, so that there can be no loop; and a
    // chain of nothing but pointers, which each of thousands of records could begin, is none.
    std::string name() {
        std::string text;
        std::size_t after = 0;
        bool jumped = false;
        std::size_t limit = position_;
        unsigned pointers = 0;
        while (good_) {
            const std::uint8_t length = u8();
            if (length == 0) {
                break;
            }
            if ((length & 0xC0) == 0xC0) {
                const std::size_t target = static_cast<std::size_t>(length & 0x3F) << 8 | u8();
                if (!jumped) {
                    after = position_;
                    jumped = true;
                }
                if (target >= limit || ++pointers > kMaxPointers) {
                    good_ = false;
                    break;
                }
                limit = target;
                position_ = target;
                continue;
            }
            if ((length & 0xC0) != 0 || text.size() + length + 1 > kMaxName * 4) {
                good_ = false;
                break;
            }
            if (!text.empty()) {
                text += '.';
            }
            for (unsigned i = 0; i < length; ++i) {
                append_label_octet(text, u8());
            }
        }
        if (jumped) {
            position_ = after;
        }
        return good_ ? text : std::string();
    }

private:
    // Dots and unprintable octets inside a label are written \ddd (RFC 1035 s5.1), so that no host name can
    // pass for another one, and nothing from the network reaches a log raw.
    static void append_label_octet(std::string& text, std::uint8_t octet) {
        if (octet <= 0x20 || octet >= 0x7F || octet == '.' || octet == '\\') {
            std::array<char, 5> escaped{};
            std::snprintf(escaped.data(), escaped.size(), "\\%03u", static_cast<unsigned>(octet));
            text += escaped.data();
        } else {
            text += lower(static_cast<char>(octet));
        }
    }

    std::span<const std::uint8_t> octets_;
    std::size_t position_ = 0;
    bool good_ = true;
};

// RFC 2181 s8: a TTL with the top bit set means zero.
std::chrono::seconds seconds_of(std::uint32_t ttl) {
    return std::chrono::seconds(ttl > 0x7FFFFFFFU ? 0U : ttl);
}

std::string_view words_for(unsigned rcode) {
    switch (rcode) {
        case 1:
            return "answered FORMERR, it does not understand the question";
        case 2:
            return "answered SERVFAIL, it could not find out (the domain's own servers are down, or DNSSEC "
                   "fails)";
        case 4:
            return "answered NOTIMP, it does not answer such questions";
        case 5:
            return "answered REFUSED, this machine may not ask there";
        default:
            return "answered with an error code it should not use here";
    }
}

bool of_interest(std::uint16_t type) {
    switch (static_cast<RecordType>(type)) {
        case RecordType::a:
        case RecordType::cname:
        case RecordType::ptr:
        case RecordType::mx:
        case RecordType::txt:
        case RecordType::aaaa:
        case RecordType::tlsa:
        case RecordType::ns:
        case RecordType::soa:
            return true;
    }
    return false;
}

// The content of one record; the reader stands at it and is moved to its end by the caller.
bool read_content(Reader& in, std::size_t length, Record& record) {
    const std::size_t end = in.position() + length;
    switch (record.type) {
        case RecordType::a:
        case RecordType::aaaa:
            if (length != (record.type == RecordType::a ? 4U : 16U)) {
                return false;
            }
            record.text = in.bytes(length);
            break;
        case RecordType::tlsa:  // RFC 6698 s2.1: usage, selector, matching type, data
            if (length < 3) {
                return false;
            }
            record.text = in.bytes(length);
            break;
        case RecordType::mx:
            record.preference = in.u16();
            record.text = in.name();
            break;
        case RecordType::txt:
            while (in.good() && in.position() < end) {
                const std::uint8_t part = in.u8();
                record.text += in.bytes(part);
            }
            break;
        case RecordType::soa:  // RFC 1035 s3.3.13
            record.text = in.name();
            in.name();
            in.skip(20);
            break;
        default:
            record.text = in.name();
            break;
    }
    return in.good() && in.position() == end;
}

}  // namespace

std::string_view to_string(RecordType type) {
    switch (type) {
        case RecordType::a:
            return "A";
        case RecordType::ns:
            return "NS";
        case RecordType::cname:
            return "CNAME";
        case RecordType::soa:
            return "SOA";
        case RecordType::ptr:
            return "PTR";
        case RecordType::mx:
            return "MX";
        case RecordType::txt:
            return "TXT";
        case RecordType::tlsa:
            return "TLSA";
        case RecordType::aaaa:
            break;
    }
    return "AAAA";
}

std::string question_of(const std::string& name, RecordType type) {
    return std::string(to_string(type)) + " of " + name;
}

std::string canonical_name(std::string_view name) {
    if (!name.empty() && name.back() == '.') {
        name.remove_suffix(1);
    }
    std::string text(name);
    std::transform(text.begin(), text.end(), text.begin(), lower);
    return text;
}

std::optional<Message> read_message(std::span<const std::uint8_t> octets) {
    Reader in(octets);
    in.u16();  // id: c-ares has compared it
    const std::uint16_t flags = in.u16();
    const std::uint16_t questions = in.u16();
    const std::uint16_t answers = in.u16();
    const std::uint16_t authorities = in.u16();
    in.u16();
    if (!in.good() || (flags & 0x8000) == 0) {
        return std::nullopt;
    }
    Message message;
    message.rcode = flags & 0x0F;
    message.truncated = (flags & 0x0200) != 0;
    message.authoritative = (flags & 0x0400) != 0;
    message.recursive = (flags & 0x0080) != 0;
    message.authenticated = (flags & 0x0020) != 0;
    for (unsigned i = 0; i < questions && in.good(); ++i) {
        in.name();
        in.skip(4);
    }
    const unsigned records = static_cast<unsigned>(answers) + authorities;
    for (unsigned i = 0; i < records && in.good(); ++i) {
        Record record;
        record.owner = in.name();
        const std::uint16_t type = in.u16();
        const std::uint16_t record_class = in.u16();
        const std::uint32_t ttl = in.u32();
        const std::uint16_t length = in.u16();
        const std::size_t start = in.position();
        in.skip(length);
        if (!in.good()) {
            break;
        }
        record.ttl = seconds_of(ttl);
        record.type = static_cast<RecordType>(type);
        const std::size_t end = in.position();
        if (i < answers && record_class == 1 && of_interest(type)) {
            in.seek(start);
            if (!read_content(in, length, record)) {
                return std::nullopt;
            }
            message.answers.push_back(std::move(record));
        } else if (i >= answers && record_class == 1 && record.type == RecordType::soa) {
            in.seek(start);
            in.name();
            in.name();
            in.skip(16);
            const std::uint32_t minimum = in.u32();
            message.negative_ttl = std::min(seconds_of(minimum), record.ttl);
        } else if (i >= answers && record.type == RecordType::ns) {
            message.refers = true;
        }
        in.seek(end);
    }
    if (!in.good()) {
        return std::nullopt;
    }
    return message;
}

Lookup interpret(const Message& message, const std::string& name, RecordType type) {
    Lookup lookup;
    lookup.authenticated = message.authenticated;
    lookup.final_name = canonical_name(name);
    if (message.rcode != 0 && message.rcode != 3) {
        lookup.detail = words_for(message.rcode);
        return lookup;
    }
    if (message.truncated) {
        lookup.detail = "sent a truncated reply, even by TCP";
        return lookup;
    }
    // RFC 2308 s2.1, s2.2: an SOA says that there is nothing; NS records alone say to ask somebody else.
    // Taken for "no MX", that would send mail to a domain's web server.
    const bool speaks_for_the_zone = message.authoritative || message.recursive;
    if (message.answers.empty() && !message.negative_ttl &&
        (!speaks_for_the_zone || (message.refers && message.rcode == 0))) {
        lookup.detail = "knows nothing about that name, and asks no other servers: it is no resolver (lame)";
        return lookup;
    }
    std::chrono::seconds ttl = std::chrono::seconds::max();
    // A chain that goes round ends as a question of its own, and there at the caller's bound.
    // A CNAME that was asked for is the answer, and not followed.
    for (unsigned hop = 0; hop < kMaxChain && type != RecordType::cname; ++hop) {
        const auto alias =
            std::find_if(message.answers.begin(), message.answers.end(), [&](const Record& record) {
                return record.type == RecordType::cname && record.owner == lookup.final_name;
            });
        if (alias == message.answers.end()) {
            break;
        }
        ttl = std::min(ttl, alias->ttl);
        lookup.final_name = alias->text;
        lookup.chain_is_open = true;
    }
    for (const Record& record : message.answers) {
        if (record.type == type && record.owner == lookup.final_name) {
            ttl = std::min(ttl, record.ttl);
            lookup.records.push_back(record);
        }
    }
    if (!lookup.records.empty()) {
        lookup.status = Status::ok;
        lookup.chain_is_open = false;
        lookup.ttl = ttl;
        return lookup;
    }
    lookup.status = message.rcode == 3 ? Status::nxdomain : Status::no_data;
    lookup.detail =
        "the name " + lookup.final_name +
        (message.rcode == 3 ? " does not exist in DNS (NXDOMAIN)"
                            : " exists in DNS, but has no " + std::string(to_string(type)) + " record");
    // RFC 2308 s2.1, s2.2: with an SOA, or NXDOMAIN, the server has spoken about the end of the chain too.
    if (message.rcode == 3 || message.negative_ttl) {
        lookup.chain_is_open = false;
    }
    if (lookup.chain_is_open) {
        lookup.ttl = ttl;
        return lookup;
    }
    // RFC 2308 s5: a negative answer without SOA is not kept.
    lookup.ttl = std::min(ttl, message.negative_ttl.value_or(std::chrono::seconds(0)));
    return lookup;
}

}  // namespace posthorn::dns
