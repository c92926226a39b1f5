// How one key is read, checked, shown and described: the columns of the table of settings, one function per
// type.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/endpoint.hpp"
#include "base/web_address.hpp"
#include "toml/units.hpp"
#include "toml/value.hpp"

namespace posthorn::config {

using namespace toml;  // values, places and units, as the file has them

// How the text of an environment variable becomes a value.
enum class Shape { text, integer, real, boolean, list };

// Why a value was refused: "is 30 without a unit". Empty: it is not of the allowed kind, and needs no other
// words. `complete`: the words already say what is allowed.
struct Refusal {
    std::string what;
    Position at;
    bool complete = false;
};
using Accepted = std::optional<Refusal>;  // no value: accepted

template <class Owner>
struct Binding {
    Shape shape = Shape::text;
    std::string allowed;  // "a whole number from 1 to 65535"
    // Sets the field of the owner or says why not. `directory`: what relative paths are relative to; empty
    // leaves them.
    std::function<Accepted(Owner&, const Value&, const std::string& directory)> set;
    std::function<std::string(const Owner&)> show;  // the field as TOML
};

// A key of a table. `section` is the dotted name of its table, empty at the top.
template <class Owner>
struct Setting {
    std::string_view section;
    std::string_view key;
    Binding<Owner> binding;
    std::string_view doc;           // one or two sentences for the operator
    std::string_view example = {};  // a TOML value that stands uncommented in the example file
    bool required = false;
};

namespace binding {

inline Refusal refuse(const Value& value, std::string what = {}) {
    return {std::move(what), value.at, false};
}

// A path as given, or in `directory` when it is relative.
[[nodiscard]] std::string resolve(const std::string& path, const std::string& directory);
[[nodiscard]] bool is_path(const std::string& path);  // not empty, no NUL
[[nodiscard]] std::string show_list(const std::vector<std::string>& items);
// "one of "a", "b" or "c"".
[[nodiscard]] std::string alternatives(const std::vector<std::string>& names);
[[nodiscard]] Accepted read_endpoint(const Value& value, std::uint16_t default_port, bool allow_unix,
                                     Endpoint& out);
[[nodiscard]] Accepted read_texts(const Value& value, std::vector<std::string>& out);
[[nodiscard]] Accepted read_networks(const Value& value, std::vector<IpNetwork>& out);
[[nodiscard]] std::optional<std::uint32_t> parse_mode(const std::string& text);

// Each takes `at`, a callable from the owner (const or not) to the field.

template <class Owner, class At>
Binding<Owner> text(At at, std::string allowed = "a string") {
    return {Shape::text, std::move(allowed),
            [at](Owner& owner, const Value& value, const std::string&) -> Accepted {
                const auto* given = value.as<std::string>();
                if (given == nullptr || given->find('\0') != std::string::npos) {
                    return refuse(value);
                }
                at(owner) = *given;
                return std::nullopt;
            },
            [at](const Owner& owner) { return quote(at(owner)); }};
}

// Shown without path and query, by which receivers often know who calls; not shown at all where it is no string.
template <class Owner, class At>
Binding<Owner> web_address(At at, std::string allowed) {
    Binding<Owner> binding = text<Owner>(at, std::move(allowed));
    binding.show = [at](const Owner& owner) { return quote(without_secrets(at(owner))); };
    return binding;
}

// Never shown, not even where it is wrong.
template <class Owner, class At>
Binding<Owner> secret(At at) {
    return {Shape::text, "a string, which is never shown",
            [at](Owner& owner, const Value& value, const std::string&) -> Accepted {
                const auto* given = value.as<std::string>();
                if (given == nullptr || given->find('\0') != std::string::npos) {
                    return Refusal{" is not a string; allowed: a string", value.at, true};
                }
                at(owner) = *given;
                return std::nullopt;
            },
            [at](const Owner& owner) { return quote(at(owner).empty() ? "" : "(not shown)"); }};
}

// Empty means "none" and is allowed where the default is empty or `may_be_empty` says so.
template <class Owner, class At>
Binding<Owner> path(At at, bool may_be_empty) {
    return {Shape::text, may_be_empty ? "a path, or \"\" for none" : "a path",
            [at, may_be_empty](Owner& owner, const Value& value, const std::string& directory) -> Accepted {
                const auto* given = value.as<std::string>();
                if (given == nullptr || (given->empty() ? !may_be_empty : !is_path(*given))) {
                    return refuse(value);
                }
                at(owner) = given->empty() ? *given : resolve(*given, directory);
                return std::nullopt;
            },
            [at](const Owner& owner) { return quote(at(owner)); }};
}

template <class Owner, class At>
Binding<Owner> boolean(At at) {
    return {Shape::boolean, "true or false",
            [at](Owner& owner, const Value& value, const std::string&) -> Accepted {
                const auto* given = value.as<bool>();
                if (given == nullptr) {
                    return refuse(value);
                }
                at(owner) = *given;
                return std::nullopt;
            },
            [at](const Owner& owner) { return std::string(at(owner) ? "true" : "false"); }};
}

template <class Owner, class At>
Binding<Owner> integer(At at, std::int64_t least, std::int64_t most) {
    return {Shape::integer, fmt::format("a whole number from {} to {}", least, most),
            [at, least, most](Owner& owner, const Value& value, const std::string&) -> Accepted {
                const auto* given = value.as<std::int64_t>();
                if (given == nullptr || *given < least || *given > most) {
                    return refuse(value);
                }
                auto& field = at(owner);
                field = static_cast<std::remove_reference_t<decltype(field)>>(*given);
                return std::nullopt;
            },
            [at](const Owner& owner) { return fmt::format("{}", at(owner)); }};
}

template <class Owner, class At>
Binding<Owner> real(At at, double least, double most) {
    return {Shape::real, fmt::format("a number from {} to {}", least, most),
            [at, least, most](Owner& owner, const Value& value, const std::string&) -> Accepted {
                double given = 0;
                if (const auto* number = value.as<double>()) {
                    given = *number;
                } else if (const auto* whole = value.as<std::int64_t>()) {
                    given = static_cast<double>(*whole);
                } else {
                    return refuse(value);
                }
                if (!(given >= least && given <= most)) {  // so that nan is refused too
                    return refuse(value);
                }
                at(owner) = given;
                return std::nullopt;
            },
            [at](const Owner& owner) {
                auto shown = fmt::format("{}", at(owner));
                return shown.find_first_of(".e") == std::string::npos ? shown + ".0" : shown;
            }};
}

template <class Owner, class At>
Binding<Owner> size(At at, std::uint64_t least, std::uint64_t most) {
    return {Shape::text,
            fmt::format("a size from {} to {}, such as \"256KiB\" or \"35MiB\"", format_size(least),
                        format_size(most)),
            [at, least, most](Owner& owner, const Value& value, const std::string&) -> Accepted {
                std::optional<std::uint64_t> given;
                if (const auto* written = value.as<std::string>()) {
                    given = parse_size(*written);
                } else if (const auto* octets = value.as<std::int64_t>(); octets != nullptr && *octets >= 0) {
                    given = static_cast<std::uint64_t>(*octets);
                }
                if (!given || *given < least || *given > most) {
                    return refuse(value);
                }
                auto& field = at(owner);
                field = static_cast<std::remove_reference_t<decltype(field)>>(*given);
                return std::nullopt;
            },
            [at](const Owner& owner) { return quote(format_size(at(owner))); }};
}

template <class Owner, class At>
Binding<Owner> duration(At at, Duration least, Duration most) {
    return {Shape::text,
            fmt::format("a duration from {} to {}, such as \"30s\", \"5m\", \"3h\" or \"5d\"",
                        format_duration(least), format_duration(most)),
            [at, least, most](Owner& owner, const Value& value, const std::string&) -> Accepted {
                const auto* written = value.as<std::string>();
                if (const auto* bare = value.as<std::int64_t>()) {
                    return refuse(value, fmt::format("is {} without a unit", *bare));
                }
                const auto given = written != nullptr ? parse_duration(*written) : std::nullopt;
                if (!given || *given < least || *given > most) {
                    return refuse(value);
                }
                at(owner) = *given;
                return std::nullopt;
            },
            [at](const Owner& owner) { return quote(format_duration(at(owner))); }};
}

template <class Owner, class At, class E>
Binding<Owner> choice(At at, std::vector<std::pair<std::string, E>> choices) {
    std::vector<std::string> names;
    for (const auto& [name, unused] : choices) {
        names.push_back(name);
    }
    return {Shape::text, alternatives(names),
            [at, choices](Owner& owner, const Value& value, const std::string&) -> Accepted {
                if (const auto* given = value.as<std::string>()) {
                    for (const auto& [name, meaning] : choices) {
                        if (name == *given) {
                            at(owner) = meaning;
                            return std::nullopt;
                        }
                    }
                }
                return refuse(value);
            },
            [at, choices](const Owner& owner) {
                for (const auto& [name, meaning] : choices) {
                    if (meaning == at(owner)) {
                        return quote(name);
                    }
                }
                return std::string("\"?\"");
            }};
}

// The same binding for a key that was a boolean once: those who still write true or false are told what it means now.
template <class Owner>
Binding<Owner> reworded(Binding<Owner> binding, std::string what_booleans_were) {
    binding.set = [set = std::move(binding.set), allowed = binding.allowed, what = std::move(what_booleans_were)](
                      Owner& owner, const Value& value, const std::string& directory) -> Accepted {
        const auto* boolean = value.as<bool>();
        const auto* word = value.as<std::string>();  // of the environment
        if (boolean != nullptr || (word != nullptr && (*word == "true" || *word == "false"))) {
            return Refusal{fmt::format(" is a boolean no longer; allowed: {}; {}", allowed, what), value.at, true};
        }
        return set(owner, value, directory);
    };
    return binding;
}

// Permission bits in octal, as a string: 0600 in TOML would be an error, 600 another number.
template <class Owner, class At>
Binding<Owner> mode(At at) {
    return {Shape::text, "permission bits in octal as a string, such as \"0660\"",
            [at](Owner& owner, const Value& value, const std::string&) -> Accepted {
                const auto* written = value.as<std::string>();
                const auto given = written != nullptr ? parse_mode(*written) : std::nullopt;
                if (!given) {
                    return refuse(value);
                }
                at(owner) = *given;
                return std::nullopt;
            },
            [at](const Owner& owner) { return fmt::format("\"{:04o}\"", at(owner)); }};
}

template <class Owner, class At>
Binding<Owner> endpoint(At at) {
    return {Shape::text,
            "\"127.0.0.1:587\", \"[::1]:587\", \"*:25\" (all of IPv4), \"[::]:25\" or \"unix:/path\"",
            [at](Owner& owner, const Value& value, const std::string&) -> Accepted {
                return read_endpoint(value, std::uint16_t{0}, true, at(owner));
            },
            [at](const Owner& owner) { return quote(at(owner).to_string()); }};
}

// An address of TCP, or none.
template <class Owner, class At>
Binding<Owner> tcp_or_none(At at) {
    return {Shape::text, "an address with its port such as \"127.0.0.1:2580\", or \"\" for none",
            [at](Owner& owner, const Value& value, const std::string&) -> Accepted {
                const auto* given = value.as<std::string>();
                if (given != nullptr && given->empty()) {
                    at(owner) = {};
                    return std::nullopt;
                }
                return read_endpoint(value, std::uint16_t{0}, false, at(owner));
            },
            [at](const Owner& owner) { return quote(at(owner).host.empty() ? "" : at(owner).to_string()); }};
}

template <class Owner, class At>
Binding<Owner> servers(At at, std::uint16_t default_port) {
    return {Shape::list,
            fmt::format(
                "a list of addresses such as [\"127.0.0.1\", \"[::1]:5353\"], the port {} when none is given",
                default_port),
            [at, default_port](Owner& owner, const Value& value, const std::string&) -> Accepted {
                const auto* items = value.as<List>();
                if (items == nullptr) {
                    return refuse(value);
                }
                std::vector<Endpoint> given(items->size());
                for (std::size_t i = 0; i < items->size(); ++i) {
                    if (auto refused = read_endpoint((*items)[i], default_port, false, given[i])) {
                        return refused;
                    }
                }
                at(owner) = std::move(given);
                return std::nullopt;
            },
            [at](const Owner& owner) {
                std::vector<std::string> items;
                for (const Endpoint& server : at(owner)) {
                    items.push_back(server.to_string());
                }
                return show_list(items);
            }};
}

template <class Owner, class At>
Binding<Owner> texts(At at, std::string allowed = "a list of strings") {
    return {Shape::list, std::move(allowed),
            [at](Owner& owner, const Value& value, const std::string&) -> Accepted {
                return read_texts(value, at(owner));
            },
            [at](const Owner& owner) { return show_list(at(owner)); }};
}

template <class Owner, class At>
Binding<Owner> networks(At at) {
    return {Shape::list, "a list of networks such as [\"127.0.0.0/8\", \"::1/128\"]",
            [at](Owner& owner, const Value& value, const std::string&) -> Accepted {
                return read_networks(value, at(owner));
            },
            [at](const Owner& owner) {
                std::vector<std::string> items;
                for (const IpNetwork& network : at(owner)) {
                    items.push_back(network.to_string());
                }
                return show_list(items);
            }};
}

}  // namespace binding
}  // namespace posthorn::config
