// main.cf as values: what it sets, what is built in where it sets nothing, each with its origin.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "migration/files.hpp"

namespace posthorn::migration {

// What Postfix's defaults depend on and no file says.
struct Machine {
    std::string hostname = "localhost";  // gethostname(2)
    bool ipv6 = true;                    // whether the kernel has IPv6
};

struct Assignment {
    std::string name;
    std::string value;  // not expanded
    Origin origin;
};

// postconf(1) -d of Postfix 3.7: every parameter's name and default.
[[nodiscard]] std::optional<std::string_view> built_in_default(std::string_view name);
[[nodiscard]] std::vector<std::string> parameter_names();

// Parameters of main.cf, or of one service of master.cf, whose -o options lie above it. Immutable; copies
// share.
class Parameters {
public:
    Parameters(std::string_view main_cf, const std::string& file, const Machine& machine);

    // These, with others above them.
    [[nodiscard]] Parameters with(std::vector<Assignment> overrides) const;

    // Expanded, as `postconf -xh NAME` prints it; empty where nobody knows the name.
    [[nodiscard]] std::string value(std::string_view name) const;
    [[nodiscard]] std::string expanded(std::string_view text) const;
    // "yes" in any case. Postfix stops at what is neither yes nor no; here it is no.
    [[nodiscard]] bool yes(std::string_view name) const;
    // value() cut at white space and commas, but not inside braces.
    [[nodiscard]] std::vector<std::string> list(std::string_view name) const;
    // Seconds of "4h"; `unit` stands where the value has none (postconf(5): h, d, s by parameter). Nothing
    // where it is no time.
    [[nodiscard]] std::optional<long> seconds(std::string_view name, char unit) const;

    [[nodiscard]] bool is_set(std::string_view name) const;    // by the file, not only built in
    [[nodiscard]] Origin origin(std::string_view name) const;  // of the assignment in force
    [[nodiscard]] std::optional<std::string> raw(std::string_view name) const;

    // In the order of the file, those that are not in force too: of two assignments the last counts.
    [[nodiscard]] const std::vector<Assignment>& assignments() const;
    // Lines that are no assignment: Postfix stops at them.
    struct Fault {
        Origin origin;
        std::string what;
    };
    [[nodiscard]] const std::vector<Fault>& faults() const;
    // Names that some value refers to.
    [[nodiscard]] bool is_referred_to(std::string_view name) const;

private:
    struct State;
    std::shared_ptr<const State> state_;
};

// "a, b {c, d}" -> "a", "b", "{c, d}".
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

}  // namespace posthorn::migration
