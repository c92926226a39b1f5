// One entry of a spool, from the first look to its removal: read, checked, stored, reported or put aside.
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "app/pickup.hpp"
#include "app/pickup_state.hpp"
#include "base/bound.hpp"
#include "base/log.hpp"
#include "mail/address.hpp"
#include "mail/header.hpp"
#include "net/offload.hpp"
#include "smtp/server/policy.hpp"

namespace posthorn::app {
namespace {

constexpr std::size_t kPiece = 256 * 1024;
constexpr std::size_t kBeginning = 64 * 1024;  // of the message, for a report: no header that people read is longer
constexpr std::size_t kMostReported = 100;     // recipients of a message to more than its user may send to: who it was is in the message
constexpr Duration kLongestWait = std::chrono::minutes(10);  // for a user's allowance, before it is asked again

// The header as far as it can stand in a report: whole fields without anything that would break it.
std::string presentable(std::string_view beginning) {
    const std::size_t end = beginning.find("\r\n\r\n");
    const mail::HeaderBlock header{std::string(end == std::string_view::npos ? beginning : beginning.substr(0, end + 2))};
    std::string kept;
    for (std::size_t i = 0; i < header.size(); ++i) {
        const mail::HeaderBlock field{std::string(header[i].raw)};
        if (!header[i].name.empty() && !field.fault()) kept += header[i].raw;
    }
    return kept;
}

}  // namespace

net::awaitable<Pickup::End> Pickup::deal_with(SpoolPtr spool, std::string name) {
    auto look = [files = spool->files, name] { return files->look(name); };
    SpoolDirectory::Opened opened = co_await net::offload(files_, std::move(look));
    Handing handing;
    handing.spool = spool;
    handing.entry = std::move(opened.entry);
    handing.file = std::make_shared<const Descriptor>(std::move(opened.file));
    const intake::SpoolEntry& entry = handing.entry;
    const intake::EntryVerdict verdict = intake::judge(entry);
    using Kind = intake::EntryVerdict::Kind;
    switch (verdict.kind) {
        case Kind::gone:
            co_return End::gone;
        case Kind::refuse:
            co_return co_await put_aside(spool, entry, verdict.reason);
        case Kind::leave:
        case Kind::later:
            co_return stays(*spool, entry, verdict.kind == Kind::leave, verdict.reason);
        case Kind::take:
            break;
    }
    // What was read already and cannot be taken is not read again until somebody touches it.
    if (const auto left = spool->left.find(name);
        left != spool->left.end() && left->second.stuck && left->second.inode == entry.inode && left->second.changed == entry.changed) {
        co_return End::stuck;
    }
    if (!postbox_.open()) co_return stays(*spool, entry, false, "the queue takes no mail for now");
    handing.runtime = wanted_.runtime;
    intake::Caller& caller = handing.caller;
    caller.uid = entry.uid;
    caller.gid = entry.gid;
    caller.door = spool->path;
    const net::SystemUserPtr user = co_await server_.system_users().find(entry.uid);
    caller.user = user->name.empty() ? intake::nameless(entry.uid) : user->name;
    caller.full_name = user->full_name;
    caller.home = user->home;
    if (const auto wait = not_before_.find(entry.uid); wait != not_before_.end()) {
        if (std::chrono::steady_clock::now() < wait->second) co_return stays(*spool, entry, false, "its user has sent too much");
        not_before_.erase(wait);
    }
    if (server_.system_account(entry.uid, caller.user).suspended()) {
        co_return stays(*spool, entry, false, "its user is suspended");
    }
    co_return co_await hand_over(handing);
}

// Who cannot get the mail is known before anything of it is stored: the reports come first, so that no crash loses one.
net::awaitable<void> Pickup::begin_message(Handing& handing) {
    const mail::Handoff& handoff = handing.reader.handoff();
    handing.forged = intake::forged(handoff);
    handing.envelope = handoff.envelope;
    handing.refused = intake::refuse_malformed(handing.envelope);
    handing.caller.caller_pid = handoff.pid <= INT32_MAX ? static_cast<std::int32_t>(handoff.pid) : 0;
    handing.caller.command = handoff.command;
    handing.caller.directory = handoff.directory;
    intake::Submission& submission = handing.submission;
    submission.id = server_.ids().next(wall_now());
    submission.now = wall_now();
    submission.protocol = "local";
    submission.source = intake::source_of(handing.caller);
    submission.caller = handing.caller;
    submission.sender_asked = handoff.sender_asked;
    submission.full_name = handoff.name.empty() ? handing.caller.full_name : handoff.name;
    submission.sender_policy = handing.runtime->rules->sites.of(handing.caller);
    if (!handing.forged.empty()) co_return;
    const std::shared_ptr<const intake::Rules> rules = handing.runtime->rules;
    std::vector<intake::Expansion> known;
    std::vector<mail::EnvelopeRecipient> kept;
    std::size_t names = 0;
    for (mail::EnvelopeRecipient& recipient : handing.envelope.recipients) {
        if (!rules->is_local(recipient.address)) {
            const std::string domain = mail::destination_of(recipient.address);
            const auto denial = smtp::server::may_receive(domain, true);
            if (denial) {
                handing.refused.push_back({std::move(recipient), denial->code, denial->enhanced, std::string(denial->text)});
            } else {
                kept.push_back(std::move(recipient));
            }
            continue;
        }
        if (++names > intake::kMaxLocalNames) {
            handing.refused.push_back({std::move(recipient), 550, "5.5.3", "Too many names of this machine in one message"});
            continue;
        }
        intake::Expansion expansion = co_await server_.desk().expand(rules, recipient.address, submission.id);
        if (expansion.kind != intake::Expansion::Kind::refused) {
            known.push_back(std::move(expansion));
            kept.push_back(std::move(recipient));
        } else if (expansion.code < 500) {
            handing.not_now = std::move(expansion.text);
        } else {
            handing.refused.push_back({std::move(recipient), expansion.code, expansion.enhanced, std::move(expansion.text)});
        }
    }
    handing.beyond = intake::recipients_beyond(known);
    handing.envelope.recipients = std::move(kept);
    if (handing.envelope.recipients.empty()) co_return;
    handing.reception.emplace(disk_, postbox_, rules, submission, handing.envelope);
    handing.reception->use(server_.desk(), std::move(known));
}

net::awaitable<std::string> Pickup::read_all(Handing& handing) {
    const std::uint64_t largest = handing.runtime->limits.max_message_size;
    for (std::uint64_t offset = 0;;) {
        auto read = [file = handing.file, offset] { return read_piece(file->get(), offset, kPiece); };
        const Result<std::string> piece = co_await net::offload(files_, std::move(read));
        if (!piece) co_return piece.error().what;
        if (piece->empty()) co_return std::string();
        offset += piece->size();
        const bool had_head = handing.reader.has_head();
        const mail::HandoffReader::BodyPart part = handing.reader.feed(*piece);
        if (handing.reader.fault() != mail::HandoffFault::none) co_return std::string();
        if (!had_head && handing.reader.has_head()) co_await begin_message(handing);
        for (const std::string_view octets : {part.held, part.fresh}) {
            if (handing.beginning.size() < kBeginning) handing.beginning.append(octets.substr(0, kBeginning - handing.beginning.size()));
            if (handing.reception) handing.reception->feed(octets);
        }
        handing.too_large = largest != 0 && handing.reader.body_octets() > largest;
        if (!handing.forged.empty() || !handing.not_now.empty() || handing.too_large) co_return std::string();
        if (handing.reception && handing.reception->wants_spill()) co_await handing.reception->spill();
    }
}

net::awaitable<Pickup::End> Pickup::hand_over(Handing& handing) {
    const std::string trouble = co_await read_all(handing);
    Spool& spool = *handing.spool;
    const intake::SpoolEntry& entry = handing.entry;
    if (!trouble.empty()) co_return stays(spool, entry, false, "it cannot be read: " + trouble);
    if (handing.too_large) {
        intake::Refusal refusal;
        refusal.code = 552;
        refusal.enhanced = "5.3.4";
        refusal.text = "The message is larger than " + std::to_string(handing.runtime->limits.max_message_size) + " octets";
        co_return co_await refused(handing, refusal);
    }
    if (!handing.forged.empty()) co_return co_await put_aside(handing.spool, entry, handing.forged);
    if (!handing.not_now.empty()) co_return stays(spool, entry, false, handing.not_now);
    // Nothing of a record is believed before its end: what was made of it until now is let go of.
    const intake::EntryVerdict verdict = intake::judge(handing.reader.finish());
    if (verdict.kind == intake::EntryVerdict::Kind::leave) co_return stays(spool, entry, true, verdict.reason);
    if (verdict.kind != intake::EntryVerdict::Kind::take) co_return co_await put_aside(handing.spool, entry, verdict.reason);
    const auto recipients = static_cast<std::uint32_t>(handing.envelope.recipients.size() + handing.beyond);
    if (const std::optional<NotNow> not_now = may_send(handing, recipients)) {
        if (not_now->at_once == 0) co_return stays(spool, entry, false, not_now->reason);
        // As at the socket, or the spool would be the way around the limit.
        intake::Refusal refusal;
        refusal.code = 550;
        refusal.enhanced = "5.5.3";
        refusal.text = "The message has " + std::to_string(recipients) + " recipients, and its user may send to " +
                       std::to_string(not_now->at_once) + " at once; send it in several messages";
        auto& reported = handing.envelope.recipients;
        if (reported.size() > kMostReported) reported.resize(kMostReported);
        co_return co_await refused(handing, refusal);
    }

    bool told = false;
    const bool reported = co_await report_refused_recipients(handing, told);
    if (!reported) co_return stays(spool, entry, false, "the report about a refused recipient cannot be stored now");
    if (!handing.reception) {
        if (told) co_return co_await clear(handing);
        co_return co_await put_aside(handing.spool, entry, handing.refused.front().text);
    }
    std::string key = mail::handoff_key(entry.uid, entry.name);
    using smtp::server::Reception;
    Reception::Outcome outcome = co_await handing.reception->store(std::move(key), handing.runtime->store_deadline);
    if (const auto* failed = std::get_if<Reception::Trouble>(&outcome)) co_return stays(spool, entry, false, failed->what);
    if (const auto* refusal = std::get_if<intake::Refusal>(&outcome)) co_return co_await refused(handing, *refusal);
    if (std::holds_alternative<Reception::Known>(outcome)) {
        ++counted_.known;
        log::info("known").kv("spool", spool.path).kv("file", entry.name).kv("source", handing.submission.source)
            .kv("meaning", "an earlier try to hand this message in had come through; it is in the queue once");
    } else {
        const auto& stored = std::get<Reception::Stored>(outcome);
        ++counted_.picked_up;
        if (log::enabled(log::Level::info)) {
            log::Event event(log::Level::info, "picked_up");
            event.kv("id", handing.submission.id.to_string()).kv("from", stored.message->reverse_path);
            event.kv("recipients", static_cast<std::uint64_t>(stored.recipients)).kv("size", stored.message->size());
            event.kv("source", stored.message->source).kv("origin", stored.message->origin);
            event.kv("spool", spool.path).kv("file", entry.name);
            if (stored.held_back) event.kv("held_back", "a storm: a summary will tell of it");
            if (!stored.repaired.empty()) event.kv("repaired", fmt::format("{}", fmt::join(stored.repaired, ", ")));
        }
        for (const std::string& warning : stored.warnings) {
            log::warning("message").kv("id", handing.submission.id.to_string()).kv("from", stored.message->reverse_path)
                .kv("reason", warning);
        }
    }
    co_return co_await clear(handing);
}

std::optional<Pickup::NotNow> Pickup::may_send(Handing& handing, std::uint32_t recipients) {
    using What = auth::Allowances::Overrun::What;
    const SteadyTime now = std::chrono::steady_clock::now();
    const auto refusal = server_.system_account(handing.entry.uid, handing.caller.user).at_data(recipients, now);
    if (!refusal) return std::nullopt;
    NotNow not_now;
    not_now.reason = "its user is suspended";
    if (const auto& overrun = refusal->overrun) {
        not_now.reason = "its user has sent too much";
        if (overrun->what == What::one_message) {
            not_now.at_once = overrun->at_once;
            return not_now;
        }
        // Others of his files need not be read until he may send again.
        not_before_[handing.entry.uid] = now + std::min<Duration>(overrun->wait, kLongestWait);
        if (overrun->report) {
            log::warning("user_over_limit").kv("user", handing.caller.user).kv("uid", handing.entry.uid)
                .kv("limit", smtp::server::limit_in_words(*overrun)).kv("spool", handing.spool->path)
                .kv("meaning", "his mail waits in the spool until he may send again: a newsletter, or a site that was broken into");
        }
    }
    return not_now;
}

net::awaitable<bool> Pickup::report(Handing& handing, std::vector<mail::EnvelopeRecipient> recipients, const intake::Refusal& refusal,
                                    std::size_t part, bool& told) {
    mail::Message message;
    message.id = handing.submission.id;
    message.accepted_at = handing.submission.now;
    message.reverse_path = intake::report_to(handing.submission, handing.reader.handoff().envelope, handing.beginning);
    message.smtputf8 = handing.envelope.smtputf8;
    message.envid = handing.envelope.envid;
    message.header = presentable(handing.beginning);
    message.body.facts.size = 1;  // only the header goes back
    const auto reply = smtp::protocol::make_reply(refusal.code, refusal.enhanced, refusal.text);
    std::optional<queue::NewMessage> dsn = agent_.report_refusal(message, recipients, reply);
    if (!dsn) co_return true;
    dsn->pickup = mail::handoff_key(handing.entry.uid, handing.entry.name) + "#r" + std::to_string(part);
    const std::string to = dsn->recipients.front().recipient.address, id = dsn->message->id.to_string();
    const SteadyTime deadline = std::chrono::steady_clock::now() + handing.runtime->store_deadline;
    const queue::StoreResult<queue::Added> added = co_await smtp::server::put_into(postbox_, std::move(*dsn), deadline);
    if (!added && added.error().fault != queue::StoreFault::known) co_return false;
    told = true;
    if (added) {
        ++counted_.reported;
        log::warning("pickup_refused").kv("spool", handing.spool->path).kv("file", handing.entry.name)
            .kv("source", handing.submission.source).kv("reply", reply.joined())
            .kv("recipients", static_cast<std::uint64_t>(recipients.size())).kv("dsn", id).kv("to", to);
    }
    co_return true;
}

net::awaitable<bool> Pickup::report_refused_recipients(Handing& handing, bool& told) {
    // One report for each reason, as long as they are few: a hundred names that nobody has must not be a hundred messages.
    constexpr std::size_t kMostReports = 5;
    std::map<std::string, std::vector<const intake::RefusedRecipient*>> reasons;
    for (const intake::RefusedRecipient& one : handing.refused) {
        const bool room = reasons.size() < kMostReports || reasons.contains(one.text);
        reasons[room ? one.text : "These recipients are refused, each for a reason of its own; the log of this server tells them"].push_back(&one);
    }
    std::size_t part = 0;
    for (const auto& [text, of_it] : reasons) {
        intake::Refusal refusal;
        refusal.code = of_it.front()->code;
        refusal.enhanced = of_it.front()->enhanced;
        refusal.text = text;
        std::vector<mail::EnvelopeRecipient> recipients;
        for (const intake::RefusedRecipient* one : of_it) recipients.push_back(one->recipient);
        const bool stored = co_await report(handing, std::move(recipients), refusal, ++part, told);
        if (!stored) co_return false;
    }
    co_return true;
}

// 5xx of mail whose program was told that all is well: its sender hears of it, or else the operator finds it in <spool>/refused.
net::awaitable<Pickup::End> Pickup::refused(Handing& handing, const intake::Refusal& refusal) {
    if (refusal.code < 500) co_return stays(*handing.spool, handing.entry, false, refusal.text);
    bool told = false;
    const bool stored = co_await report(handing, handing.envelope.recipients, refusal, 0, told);
    if (!stored) co_return stays(*handing.spool, handing.entry, false, "the report about its refusal cannot be stored now");
    if (told) co_return co_await clear(handing);
    std::string reason = std::to_string(refusal.code) + " " + std::string(refusal.enhanced) + " " + refusal.text;
    co_return co_await put_aside(handing.spool, handing.entry, std::move(reason));
}

net::awaitable<Pickup::End> Pickup::clear(Handing& handing) {
    const SpoolPtr spool = handing.spool;
    auto remove = [files = spool->files, entry = handing.entry] {
        return files ? files->remove(entry) : std::string("the spool's directory is gone");
    };
    const std::string trouble = co_await net::offload(files_, std::move(remove));
    if (!trouble.empty()) {
        co_return stays(*spool, handing.entry, false, "it is in the queue, but cannot be removed from the spool: " + trouble +
                                                          "; the directory must belong to the daemon's user");
    }
    spool->removed.push_back(mail::handoff_key(handing.entry.uid, handing.entry.name));
    if (!std::exchange(spool->settling, true)) tasks_.spawn(settle(spool));
    co_return End::taken;
}

net::awaitable<Pickup::End> Pickup::put_aside(SpoolPtr spool, const intake::SpoolEntry& entry, std::string reason) {
    auto move = [files = spool->files, entry] {
        return files ? files->put_aside(entry) : Result<std::string>(Error{"the spool's directory is gone"});
    };
    const Result<std::string> moved = co_await net::offload(files_, std::move(move));
    if (!moved) co_return stays(*spool, entry, true, reason + "; it cannot be put aside: " + moved.error().what);
    ++counted_.put_aside;
    log::warning("pickup_put_aside").kv("spool", spool->path).kv("file", entry.name).kv("uid", entry.uid).kv("reason", reason)
        .kv("moved_to", *moved).kv("meaning", "nothing of it is sent; look at it, then delete it, or move it back to new/");
    co_return End::taken;
}

// Told once for each entry and reason, also where a hostile user leaves very many of them: then once a minute.
Pickup::End Pickup::stays(Spool& spool, const intake::SpoolEntry& entry, bool stuck, const std::string& reason) {
    const auto known = spool.left.find(entry.name);
    const bool news = known == spool.left.end() || known->second.reason != reason || known->second.inode != entry.inode;
    if (known != spool.left.end() || spool.left.size() < kMostLeft) {
        Left& left = spool.left[entry.name];
        left.inode = entry.inode;
        left.changed = entry.changed;
        left.modified = entry.modified;
        left.stuck = stuck;
        left.reason = reason;
        left.seen = spool.scans;
    }
    const bool full = known == spool.left.end() && spool.left.size() >= kMostLeft;
    if (full) note_reached(Bound::spool_entries);
    if (news && (!full || spool.trouble_told.happened(std::chrono::steady_clock::now()))) {
        log::Event event(stuck ? log::Level::warning : log::Level::info, stuck ? "pickup_stuck" : "pickup_waits");
        event.kv("spool", spool.path).kv("file", entry.name).kv("uid", entry.uid).kv("reason", reason);
    }
    return stuck ? End::stuck : End::stays;
}

}  // namespace posthorn::app
