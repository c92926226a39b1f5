// Fields found in, and cut out of, a block of header octets: see header.hpp.
#include "mail/header.hpp"

#include <cstring>

#include "base/text.hpp"

namespace posthorn::mail {

namespace {

constexpr std::size_t kMaxLineOctets = 998;  // RFC 5322 s2.1.1

// The end of the line that begins at `from`: behind its LF, or the end of the text.
std::size_t line_end(std::string_view text, std::size_t from) {
    const std::size_t lf = text.find('\n', from);
    return lf == std::string_view::npos ? text.size() : lf + 1;
}

std::string_view without_line_end(std::string_view line) {
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

HeaderFault make_fault(HeaderFaultKind kind, std::size_t line, const char* what) {
    return {kind, line, what, "line " + std::to_string(line) + " of the header " + what};
}

// One line without its line end. `first`: it is the first of the header.
std::optional<HeaderFault> line_fault(std::string_view line, std::size_t number, bool first, bool long_lines_count) {
    for (const char c : line) {
        if (c == '\r') return make_fault(HeaderFaultKind::bare_cr, number, "has a CR without LF");
        if (text::is_control(c) && c != '\t')
            return make_fault(HeaderFaultKind::control_character, number, "has a control character");
    }
    if (long_lines_count && line.size() > kMaxLineOctets)
        return make_fault(HeaderFaultKind::line_too_long, number, "is longer than 998 octets");
    if (!line.empty() && text::is_blank(line.front())) {
        if (first)
            return make_fault(HeaderFaultKind::leading_blank, number,
                              "begins with a blank and continues nothing");
        return std::nullopt;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos)
        return make_fault(HeaderFaultKind::no_colon, number, "is no field: it has no colon");
    // RFC 5322 s4.5 lets obsolete fields have blanks before the colon.
    const std::string_view name = text::trim_right(line.substr(0, colon));
    if (name.empty()) return make_fault(HeaderFaultKind::bad_name, number, "has no name before the colon");
    for (const char c : name)
        if (!text::is_graphic(c))
            return make_fault(HeaderFaultKind::bad_name, number,
                              "is no field: its name has a blank or is not ASCII");
    return std::nullopt;
}

}  // namespace

HeaderBlock::HeaderBlock(std::string text) : text_(std::move(text)) {
    index(0);
}

std::string HeaderBlock::take_text() && {
    spans_.clear();
    return std::move(text_);
}

// Finds the fields from octet `from` on, which is where a field begins.
void HeaderBlock::index(std::size_t from) {
    const std::string_view text = text_;
    while (from < text.size()) {
        Span span;
        span.begin = from;
        std::size_t end = line_end(text, from);
        const std::string_view line = text.substr(from, end - from);
        while (end < text.size() && text::is_blank(text[end])) end = line_end(text, end);
        span.end = end;
        const std::size_t colon = line.find(':');
        const std::string_view name =
            text::trim_right(line.substr(0, colon == std::string_view::npos ? 0 : colon));
        bool is_field = !name.empty();
        for (const char c : name) is_field = is_field && text::is_graphic(c);
        span.name_end = is_field ? from + name.size() : from;
        span.value_begin = is_field ? from + colon + 1 : from;
        spans_.push_back(span);
        from = end;
    }
}

HeaderField HeaderBlock::operator[](std::size_t index) const {
    const Span& span = spans_[index];
    const std::string_view text = text_;
    const auto part = [&](std::size_t begin, std::size_t end) { return text.substr(begin, end - begin); };
    return {part(span.begin, span.name_end), part(span.begin, span.end),
            without_line_end(part(span.value_begin, span.end))};
}

std::size_t HeaderBlock::count(std::string_view name) const {
    std::size_t found = 0;
    for (std::size_t i = 0; i < size(); ++i)
        found += !name.empty() && text::iequals((*this)[i].name, name) ? 1 : 0;
    return found;
}

std::optional<HeaderField> HeaderBlock::first(std::string_view name) const {
    for (std::size_t i = 0; i < size() && !name.empty(); ++i)
        if (const HeaderField field = (*this)[i]; text::iequals(field.name, name)) return field;
    return std::nullopt;
}

std::optional<HeaderField> HeaderBlock::last(std::string_view name) const {
    for (std::size_t i = size(); i-- > 0 && !name.empty();)
        if (const HeaderField field = (*this)[i]; text::iequals(field.name, name)) return field;
    return std::nullopt;
}

std::vector<HeaderField> HeaderBlock::all(std::string_view name) const {
    std::vector<HeaderField> fields;
    for (std::size_t i = 0; i < size() && !name.empty(); ++i)
        if (const HeaderField field = (*this)[i]; text::iequals(field.name, name)) fields.push_back(field);
    return fields;
}

std::optional<std::string> HeaderBlock::value(std::string_view name) const {
    const auto field = first(name);
    if (!field) return std::nullopt;
    return unfold(field->value);
}

std::size_t HeaderBlock::remove(std::string_view name) {
    if (name.empty()) return 0;
    // One pass that closes the gaps, however many there are.
    std::size_t to = 0;
    std::size_t kept = 0;
    const std::size_t total = spans_.size();
    for (std::size_t i = 0; i < total; ++i) {
        Span span = spans_[i];
        const std::size_t length = span.end - span.begin;
        if (text::iequals(std::string_view(text_).substr(span.begin, span.name_end - span.begin), name))
            continue;
        const std::size_t shift = span.begin - to;
        if (shift > 0) {
            std::memmove(text_.data() + to, text_.data() + span.begin, length);
            span.begin -= shift;
            span.name_end -= shift;
            span.value_begin -= shift;
            span.end -= shift;
        }
        spans_[kept++] = span;
        to += length;
    }
    text_.resize(to);
    spans_.resize(kept);
    return total - kept;
}

void HeaderBlock::remove_at(std::size_t at) {
    const std::size_t begin = spans_[at].begin;
    text_.erase(begin, spans_[at].end - begin);
    spans_.resize(at);
    index(begin);
}

void HeaderBlock::prepend(std::string_view fields) {
    text_.insert(0, fields);
    spans_.clear();
    index(0);
}

void HeaderBlock::append(std::string_view fields) {
    const std::size_t from = text_.size();
    text_ += fields;
    index(from);
}

std::optional<HeaderFault> HeaderBlock::fault(LongLines long_lines) const {
    const std::string_view text = text_;
    std::size_t number = 0;
    for (std::size_t from = 0; from < text.size();) {
        ++number;
        const std::size_t end = line_end(text, from);
        std::string_view line = text.substr(from, end - from);
        if (!line.ends_with('\n'))
            return make_fault(HeaderFaultKind::not_terminated, number, "does not end with CRLF");
        if (!line.ends_with("\r\n"))
            return make_fault(HeaderFaultKind::bare_lf, number, "has an LF without CR");
        line.remove_suffix(2);
        if (auto fault = line_fault(line, number, from == 0, long_lines == LongLines::count)) return fault;
        from = end;
    }
    return std::nullopt;
}

std::string unfold(std::string_view value) {
    value = text::trim(value);
    std::string unfolded;
    unfolded.reserve(value.size());
    for (const char c : value)
        if (c != '\r' && c != '\n') unfolded += c;
    return unfolded;
}

}  // namespace posthorn::mail
