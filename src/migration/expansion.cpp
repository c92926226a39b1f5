// The expansion of $name and its kin, part by part, with a bound on how deep parameters may lie in each
// other.
#include "migration/expansion.hpp"

#include "base/text.hpp"

namespace posthorn::migration {
namespace {

constexpr int kMaxDepth = 100;  // Postfix's own bound on nested parameters
// Parameters that each name another twice grow without bound within that depth.
constexpr std::size_t kMostOctets = 1UL << 20;
constexpr std::size_t kMostParameters = 100'000;

bool is_name_character(char c) {
    return text::is_alnum(c) || c == '_';
}

// Octets of the bracketed text at the front of `text`, brackets and all; 0 where the bracket is not closed.
std::size_t bracketed(std::string_view text, char open, char close) {
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == open) ++depth;
        if (text[i] == close && --depth == 0) return i + 1;
    }
    return 0;
}

struct Branches {
    std::string_view if_true;
    std::string_view if_false;
};

// Levels as compatibility_level has them: "3.6" before "3.10".
int compare_levels(std::string_view a, std::string_view b) {
    while (!a.empty() || !b.empty()) {
        const auto x = text::parse_unsigned(text::take_field(a, '.')).value_or(0);
        const auto y = text::parse_unsigned(text::take_field(b, '.')).value_or(0);
        if (x != y) return x < y ? -1 : 1;
    }
    return 0;
}

class Expansion {
public:
    Expansion(const Lookup& lookup, const std::function<void(std::string_view)>& undefined)
        : lookup_(lookup), undefined_(undefined) {}

    // False where the text cannot be expanded; fault says why.
    bool append(std::string_view text, std::string& out, int depth) {
        if (depth > kMaxDepth) return fail("parameters that refer to each other in a circle");
        if (++parameters_ > kMostParameters || out.size() + text.size() > kMostOctets)
            return fail("parameters that name others so often that the value has no end");
        while (!text.empty()) {
            const std::size_t dollar = text.find('$');
            out += text.substr(0, dollar);
            if (dollar == std::string_view::npos) break;
            text.remove_prefix(dollar + 1);
            if (!append_macro(text, out, depth)) return false;
        }
        return true;
    }

    std::string fault;

private:
    bool fail(std::string words) {
        fault = std::move(words);
        return false;
    }

    // What stands behind a "$", taken off the front of text.
    bool append_macro(std::string_view& text, std::string& out, int depth) {
        if (text.starts_with('$')) {
            out += '$';
            text.remove_prefix(1);
            return true;
        }
        if (text.starts_with('{') || text.starts_with('(')) {
            const bool curly = text.front() == '{';
            const std::size_t size = curly ? bracketed(text, '{', '}') : bracketed(text, '(', ')');
            if (size == 0)
                return fail("\"$" + std::string(text.substr(0, 20)) + "\" lacks its closing bracket");
            const std::string_view inside = text.substr(1, size - 2);
            text.remove_prefix(size);
            return append_braced(inside, out, depth);
        }
        std::size_t size = 0;
        while (size < text.size() && is_name_character(text[size])) ++size;
        if (size == 0) return fail("a \"$\" without a name behind it; a dollar sign is \"$$\"");
        const std::string_view name = text.substr(0, size);
        text.remove_prefix(size);
        return append_value(name, out, depth);
    }

    bool append_value(std::string_view name, std::string& out, int depth) {
        const auto value = lookup_(name);
        if (!value) {
            if (undefined_) undefined_(name);
            return true;
        }
        return append(*value, out, depth + 1);
    }

    // The inside of ${...}: a name, a name with branches, a comparison with branches.
    bool append_braced(std::string_view inside, std::string& out, int depth) {
        inside = text::trim_left(inside);
        bool holds = false;
        std::string_view rest;
        if (inside.starts_with('{')) {
            if (!compare(inside, holds, rest, depth)) return false;
        } else {
            std::size_t size = 0;
            while (size < inside.size() && is_name_character(inside[size])) ++size;
            const std::string_view name = inside.substr(0, size);
            rest = text::trim_left(inside.substr(size));
            if (name.empty())
                return fail("\"${" + std::string(inside.substr(0, 20)) + "}\" names no parameter");
            if (rest.empty()) return append_value(name, out, depth);
            holds = !lookup_(name).value_or("").empty();
        }
        Branches branches;
        if (!split_branches(rest, branches)) return false;
        return append(holds ? branches.if_true : branches.if_false, out, depth + 1);
    }

    // "?text", ":text", "?{a}:{b}".
    bool split_branches(std::string_view rest, Branches& branches) {
        const auto payload = [&](std::string_view& from, std::string_view& into) {
            from = text::trim_left(from);
            if (!from.starts_with('{')) {
                into = from;
                from = {};
                return true;
            }
            const std::size_t size = bracketed(from, '{', '}');
            if (size == 0) return false;
            into = text::trim(from.substr(1, size - 2));
            from = text::trim_left(from.substr(size));
            return true;
        };
        const std::string shown(rest.substr(0, 30));
        bool good = true;
        if (rest.starts_with('?')) {
            rest.remove_prefix(1);
            good = payload(rest, branches.if_true);
        }
        if (good && rest.starts_with(':')) {
            rest.remove_prefix(1);
            good = payload(rest, branches.if_false);
        }
        return (good && rest.empty()) || fail("\"" + shown + "\" is no condition of the form ?{...}:{...}");
    }

    // "{a} op {b}" at the front of text; the rest behind it.
    bool compare(std::string_view text, bool& holds, std::string_view& rest, int depth) {
        std::string sides[2];
        std::string_view sign;
        for (int side = 0; side < 2; ++side) {
            text = text::trim_left(text);
            const std::size_t size = text.starts_with('{') ? bracketed(text, '{', '}') : 0;
            if (size == 0)
                return fail("\"" + std::string(text.substr(0, 30)) +
                            "\" is no comparison of the form {a} == {b}");
            if (!append(text::trim(text.substr(1, size - 2)), sides[side], depth + 1)) return false;
            text = text::trim_left(text.substr(size));
            if (side == 0) {
                sign = text::trim(text.substr(0, text.find('{')));
                text.remove_prefix(std::min(text.size(), text.find('{')));
            }
        }
        rest = text;
        int order = sides[0].compare(sides[1]);
        if (sign.ends_with("level")) {
            sign.remove_suffix(5);
            order = compare_levels(sides[0], sides[1]);
        } else {
            const auto a = text::parse_unsigned(sides[0]);
            const auto b = text::parse_unsigned(sides[1]);
            if (a && b) order = *a < *b ? -1 : *a > *b ? 1 : 0;
        }
        if (sign == "==")
            holds = order == 0;
        else if (sign == "!=")
            holds = order != 0;
        else if (sign == "<")
            holds = order < 0;
        else if (sign == "<=")
            holds = order <= 0;
        else if (sign == ">")
            holds = order > 0;
        else if (sign == ">=")
            holds = order >= 0;
        else
            return fail("\"" + std::string(sign) + "\" is no comparison; allowed: == != < <= > >=");
        return true;
    }

    const Lookup& lookup_;
    const std::function<void(std::string_view)>& undefined_;
    std::size_t parameters_ = 0;
};

}  // namespace

Result<std::string> expand(std::string_view text, const Lookup& lookup,
                           const std::function<void(std::string_view)>& undefined) {
    Expansion expansion(lookup, undefined);
    std::string out;
    if (!expansion.append(text, out, 0)) return Error{expansion.fault};
    return out;
}

}  // namespace posthorn::migration
