// posthorn.toml as its operator wrote it, changed where something is wanted and nowhere else: comments, order
// and blank lines stay.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "toml/value.hpp"

namespace posthorn::setup {

// A [[domain]] to be added. Paths as they are to stand in the file: relative ones begin at the file's
// directory.
struct NewDomain {
    struct Key {
        std::string selector;
        std::string key_file;
    };
    std::string name;           // an A-label name in small letters
    std::vector<Key> keys;      // dkim = [...]
    std::string key_directory;  // keys managed by Posthorn; empty: none
};

// Pure: reads and writes no file. Each change is read back before it counts: the new text must say what the
// old one said but for the change. Where it would not (a [[domain]] written as a list in one line, say), the
// text stays as it was and the error tells what to do by hand.
class ConfigText {
public:
    // `name` is for messages. A text that is not TOML is an error, "name:line:column: what is wrong". Whether
    // the settings make sense is not looked at: that is config::parse, by whoever writes the file.
    [[nodiscard]] static Result<ConfigText> parse(std::string text, std::string name);

    [[nodiscard]] const std::string& text() const { return text_; }
    // The value at a dotted path such as "tls.certificate_file"; nullptr where the file does not give it.
    [[nodiscard]] const toml::Value* value(std::string_view path) const;
    // The string there; empty where there is none.
    [[nodiscard]] std::string string_value(std::string_view path) const;
    // The names of all [[domain]] in the order of the file, small letters.
    [[nodiscard]] std::vector<std::string> domains() const;

    // After the last [[domain]], else at the end of the file. False: it is there already, and stays as it is.
    [[nodiscard]] Result<bool> add_domain(const NewDomain& domain);
    // Takes out its [[domain]], from the heading to the last line of its paragraph; what stands above the
    // heading stays, and so does a table that is commented out right below. False: there is none.
    [[nodiscard]] Result<bool> remove_domain(std::string_view name);
    // Sets the key at a dotted path to a value written in TOML (toml::quote makes one of a string): in its
    // place where it is given; below the line "#key = ..." of its section where it is commented out; else at
    // the end of its section, which is added where there is none. False: it has that value already.
    [[nodiscard]] Result<bool> set_value(std::string_view path, std::string_view toml_value);
    // Adds a key to the [[domain]] of that name, below what it has. False: there is no such domain, or it has
    // the key.
    [[nodiscard]] Result<bool> set_domain_value(std::string_view name, std::string_view key,
                                                std::string_view toml_value);
    // Appends one [[kind]] with these lines ("key = value") after the last of its kind, else at the end of
    // the file.
    [[nodiscard]] Result<void> add_table(std::string_view kind, const std::vector<std::string>& lines);

    // What the last remove_domain took out.
    [[nodiscard]] const std::string& removed() const { return removed_; }

private:
    ConfigText(std::string text, std::string name, toml::Table root)
        : text_(std::move(text)), name_(std::move(name)), root_(std::move(root)) {}

    [[nodiscard]] Result<void> become(std::string text, const toml::Table& expected,
                                      std::string_view by_hand);

    std::string text_;
    std::string name_;
    toml::Table root_;
    std::string removed_;
};

}  // namespace posthorn::setup
