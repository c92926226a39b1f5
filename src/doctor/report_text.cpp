// Lines, margins, colours.
#include "doctor/report_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace posthorn::doctor {
namespace {

constexpr std::size_t kMargin = 6;  // "FAIL  "

std::string_view colour_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::fail:
            return "\x1b[1;31m";
        case Verdict::warn:
            return "\x1b[33m";
        case Verdict::pass:
            return "\x1b[32m";
        default:
            return "\x1b[2m";
    }
}

std::string painted(std::string_view text, Verdict verdict, bool colour) {
    return colour ? fmt::format("{}{}\x1b[0m", colour_of(verdict), text) : std::string(text);
}

std::string_view mark_of(Verdict verdict) {
    return verdict == Verdict::unknown ? "????" : to_string(verdict);
}

std::string name_of(std::string_view provider) {
    std::string name(provider);
    if (!name.empty()) name.front() = text::to_upper(name.front());
    return name;
}

void add(std::string& out, const Finding& finding, const TextOptions& options) {
    const std::string tag = "[" + finding.check + "]";
    std::string title = finding.title;
    const std::size_t used = kMargin + title.size() + tag.size();
    title += used + 1 < options.width ? std::string(options.width - used, ' ') : std::string(1, ' ');
    out += painted(mark_of(finding.verdict), finding.verdict, options.colour) + "  " + title + tag + "\n";
    if (!finding.detail.empty()) out += wrapped(finding.detail, kMargin, options.width);
    if (finding.seen.differs) {
        out += wrapped("its own servers: " + finding.seen.at_authority, kMargin, options.width);
        out += wrapped(fmt::format("the resolver, for {} s more: {}", finding.seen.ttl.count(),
                                   finding.seen.at_resolver),
                       kMargin, options.width);
    }
    for (const Meaning& one : finding.meaning)
        out += wrapped(fmt::format("{:<8} {}", name_of(one.provider), one.words), kMargin, options.width);
    if (finding.verdict == Verdict::pass || finding.verdict == Verdict::skipped) return;
    if (!finding.repair.empty()) out += wrapped("To do: " + finding.repair, kMargin, options.width);
    for (const std::string& record : finding.records) out += record + "\n";
    for (const std::string& command : finding.commands)
        out += std::string(kMargin, ' ') + "$ " + command + "\n";
    out += "\n";
}

// "example.com. IN TXT" of a line of a zone file.
std::string_view name_and_type(std::string_view record) {
    std::size_t end = 0;
    for (int word = 0; word < 3 && end != std::string_view::npos; ++word) end = record.find(' ', end + (word > 0 ? 1 : 0));
    return record.substr(0, end);
}

bool follows_from(const Finding& finding, std::span<const std::string> missing) {
    // Without a record for SPF and one for DKIM nothing can be aligned.
    if (finding.check == "alignment")
        return std::any_of(missing.begin(), missing.end(), [&](const std::string& record) {
            const std::string_view place = name_and_type(record);
            return place == finding.subject + ". IN TXT" || place.ends_with("._domainkey." + finding.subject + ". IN TXT");
        });
    return !finding.records.empty() && std::all_of(finding.records.begin(), finding.records.end(), [&](const std::string& wanted) {
        return std::any_of(missing.begin(), missing.end(),
                           [&](const std::string& record) { return name_and_type(record) == name_and_type(wanted); });
    });
}

// The configuration's warnings, one a line: that a key is not in use before its record is there is no news where that record was shown.
bool only_waits_for(std::string_view warning, std::span<const std::string> missing) {
    return std::any_of(missing.begin(), missing.end(), [&](const std::string& record) {
        constexpr std::string_view kBelow = "._domainkey.";
        const std::string_view name = std::string_view(record).substr(0, record.find(". IN "));
        const std::size_t below = name.find(kBelow);
        return below != std::string_view::npos &&
               warning.starts_with(fmt::format("the DKIM key {} of {} is not in use", name.substr(0, below), name.substr(below + kBelow.size())));
    });
}

Finding without_known(Finding finding, std::span<const std::string> missing) {
    if (finding.check != "config" || finding.verdict != Verdict::warn) return finding;
    std::string rest;
    for (const std::string_view line : text::split(finding.detail, '\n'))
        if (!only_waits_for(line, missing)) rest += (rest.empty() ? "" : "\n") + std::string(line);
    finding.detail = std::move(rest);
    return finding;
}

// Where the second column of a line begins: behind its first word and two blanks or more, near the margin. 0: it has none.
std::size_t column_of(std::string_view line) {
    constexpr std::size_t kFarthest = 14;
    const std::size_t first = line.find_first_not_of(' ');
    const std::size_t gap = first == std::string_view::npos ? first : line.find(' ', first);
    if (gap == std::string_view::npos || line.substr(gap, 2) != "  ") return 0;
    const std::size_t second = line.find_first_not_of(' ', gap);
    return second == std::string_view::npos || second > kFarthest ? 0 : second;
}

}  // namespace

std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
    std::string out;
    for (const std::string_view line : text::split(text, '\n')) {
        const std::size_t blanks = std::min(line.find_first_not_of(' '), line.size());
        const std::string margin(indent + blanks, ' ');
        // Columns that are set out (a tree, two keys one below the other) stay as they are where they fit.
        if (indent + line.size() <= width) {
            out += std::string(indent, ' ') + std::string(text::trim_right(line)) + "\n";
            continue;
        }
        // "Gmail    refuses the mail": what goes on in the next line stays in its column.
        const std::size_t column = column_of(line);
        const std::string hanging(indent + std::max(blanks, column), ' ');
        std::string current = column > 0 ? std::string(indent, ' ') + std::string(line.substr(0, column)) : margin;
        std::size_t begun = current.size();  // of the line's own margin
        for (const std::string_view word : text::split(line.substr(std::max(blanks, column)), ' ')) {
            if (word.empty()) continue;
            if (current.size() > begun && current.size() + 1 + word.size() > width) {
                out += current + "\n";
                current = hanging;
                begun = current.size();
            }
            if (current.size() > begun) current += ' ';
            current += word;
        }
        out += current + "\n";
    }
    return out;
}

namespace {

std::string answer_of(const Report& report, const TextOptions& options) {
    const Verdict first = report.findings.empty() ? Verdict::unknown : report.findings.front().verdict;
    const Verdict worst = first == Verdict::skipped ? Verdict::pass : first;
    return painted(wrapped(report.verdict, 0, options.width), worst, options.colour);
}

}  // namespace

std::string verdict_text(const Report& report, std::span<const std::string> known, const TextOptions& options) {
    std::string others;
    std::size_t known_before = 0;
    for (const Finding& finding : report.findings) {
        if (finding.verdict != Verdict::fail && finding.verdict != Verdict::warn) continue;
        const Finding rest = without_known(finding, known);
        if (follows_from(finding, known) || (rest.detail.empty() && !finding.detail.empty()))
            ++known_before;
        else
            add(others, rest, options);
    }
    std::string out = answer_of(report, options);
    if (known_before > 0)
        out += wrapped(fmt::format("{} of that {} from the records above that are not there yet{}", known_before, known_before == 1 ? "comes" : "come",
                                   others.empty() ? "." : "; beside it:"),
                       0, options.width);
    return out + "\n" + others;
}

std::string to_text(const Report& report, const TextOptions& options) {
    const std::string answer = answer_of(report, options);
    std::string out = answer + "\n";
    for (const Finding& finding : report.findings) add(out, finding, options);
    out +=
        fmt::format("\n{} fail, {} warned of, {} not known, {} skipped, {} pass\n",
                    report.count(Verdict::fail), report.count(Verdict::warn), report.count(Verdict::unknown),
                    report.count(Verdict::skipped), report.count(Verdict::pass));
    for (const Meaning& one : report.standings) out += wrapped(fmt::format("{:<8} {}", name_of(one.provider), one.words), 0, options.width);
    return out + answer;
}

}  // namespace posthorn::doctor
