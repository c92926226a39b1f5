// The two passes over a message that becomes 7-bit MIME, from memory to memory and from file to file.
#include "delivery/conversion.hpp"

#include <fstream>
#include <utility>
#include <vector>

#include "auth/dkim/canonical.hpp"
#include "base/text.hpp"
#include "mail/body_scanner.hpp"
#include "mail/downgrade.hpp"
#include "queue/body_spool.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

// For now: the disk.
Outcome trouble(const std::string& what) {
    return own_outcome(Disposition::deferred, Class::local, Scope::message, 451, {4, 3, 0},
                       "The message cannot be converted for a server without 8BITMIME: " + what);
}

Outcome refusal_of(const mail::DowngradeObstacle& obstacle) {
    // RFC 3463 s3.7 X.6.3: conversion required but not supported; RFC 6531 s3.4 X.6.7: non-ASCII addresses not permitted.
    Outcome outcome;
    if (obstacle.of_addresses) {
        outcome = own_outcome(Disposition::failed, Class::content, Scope::message, 553, {5, 6, 7},
                              "The server does not offer SMTPUTF8, and the message cannot do without: " + obstacle.what);
    } else {
        outcome = own_outcome(Disposition::failed, Class::content, Scope::message, 554, {5, 6, 3},
                              "The server does not offer 8BITMIME, and the message cannot be made 7-bit: " + obstacle.what);
    }
    outcome.stage = smtp::protocol::Stage::mail;
    return outcome;
}

// The body, piece by piece; what is asked for octets, calls `take` with each.
template <class Take>
bool each_piece(const mail::Body& body, const std::string& spool_directory, Take take) {
    if (body.spool_file.empty()) {
        std::string_view rest = body.bytes ? std::string_view(*body.bytes) : std::string_view();
        for (; !rest.empty(); rest.remove_prefix(std::min(kPiece, rest.size())))
            if (!take(rest.substr(0, kPiece))) return false;
        return true;
    }
    std::ifstream file(spool_directory + "/" + body.spool_file, std::ios::binary);
    std::vector<char> piece(kPiece);
    while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0)
        if (!take(std::string_view(piece.data(), static_cast<std::size_t>(file.gcount())))) return false;
    return file.eof();
}

}  // namespace

ConversionNeed conversion_need(const mail::Message& message, const smtp::protocol::Extensions& offered) {
    const bool body = message.body.facts.has_8bit && !offered.eight_bit_mime;
    // UTF-8 in a header that nobody declared goes where 8-bit text goes.
    const bool header = message.header_has_8bit && !(message.smtputf8 ? offered.smtputf8 : offered.eight_bit_mime);
    if (!body && !header) return ConversionNeed::none;
    if (!offered.smtputf8 && !text::is_ascii(message.reverse_path)) return ConversionNeed::none;   // 5.6.7 whatever we do
    if (offered.size_limit > 0 && message.size() > offered.size_limit) return ConversionNeed::none;   // 5.3.4
    return ConversionNeed::seven_bit;
}

Converted to_seven_bit(const mail::Message& message, const std::string& spool_directory, QueueId file_id) {
    Converted converted;
    mail::Downgrade downgrade(message.header);
    const auto unreadable = [&] {
        converted.refusal = trouble("its body in " + spool_directory + "/" + message.body.spool_file + " cannot be read");
        return std::move(converted);
    };
    const bool seen = each_piece(message.body, spool_directory, [&](std::string_view piece) {
        downgrade.survey(piece);
        return true;
    });
    if (!seen) return unreadable();
    downgrade.end_of_survey();
    if (downgrade.obstacle()) {
        converted.refusal = refusal_of(downgrade.obstacle());
        return converted;
    }

    std::optional<queue::BodySpool> spool;
    if (!message.body.spool_file.empty()) {
        auto opened = queue::BodySpool::open(spool_directory, file_id);
        if (!opened) {
            converted.refusal = trouble(opened.error().what);
            return converted;
        }
        spool.emplace(std::move(*opened));
    }
    auto made = std::make_unique<mail::Message>(message);
    made->header = downgrade.header();
    made->body = mail::Body();
    mail::BodyScanner scanner;
    auth::dkim::BodyHasher hasher(auth::Canonical::relaxed);
    std::string body, disk_trouble;
    std::string anew;   // what one piece became; in memory, all of it
    const auto take_anew = [&] {
        scanner.feed(anew);
        hasher.write(anew);
        if (!spool) {
            body += anew;
        } else if (auto written = spool->write(anew); !written) {
            disk_trouble = written.error().what;
        }
        anew.clear();
        return disk_trouble.empty();
    };
    const bool rewritten = each_piece(message.body, spool_directory, [&](std::string_view piece) {
        downgrade.rewrite(piece, anew);
        return take_anew();
    });
    if (!rewritten && disk_trouble.empty()) return unreadable();
    downgrade.end_of_rewrite(anew);
    take_anew();
    if (disk_trouble.empty() && spool) {
        auto name = spool->finish();
        if (name) made->body.spool_file = *name;
        else disk_trouble = name.error().what;
    }
    if (!disk_trouble.empty()) {
        converted.refusal = trouble(disk_trouble);
        return converted;
    }
    if (!spool) made->body.bytes = std::make_shared<const std::string>(std::move(body));
    made->body.facts = scanner.facts();
    made->relaxed_body_hash = hasher.finish();
    made->body_type = mail::BodyType::seven_bit;
    made->smtputf8 = made->header_has_8bit = false;

    // The file is nobody's but this form's.
    converted.message = mail::MessagePtr(made.release(), [spool_directory](const mail::Message* gone) {
        if (!gone->body.spool_file.empty()) queue::remove_spooled(spool_directory, gone->body.spool_file);
        delete gone;
    });
    return converted;
}

}  // namespace posthorn::delivery
