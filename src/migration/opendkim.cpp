// opendkim.conf(5) with Include, and the data sets it names as far as they are text.
#include "migration/opendkim.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace posthorn::migration {
namespace {

struct Row {
    std::string text;  // without comment, trimmed; never empty
    Origin origin;
};

// OpenDKIM knows no continuation lines; "#" begins a comment wherever it stands.
std::vector<Row> rows_of(std::string_view text, const std::string& file) {
    std::vector<Row> rows;
    for (std::uint32_t number = 1; !text.empty(); ++number) {
        std::string_view line = text::take_field(text, '\n');
        line = text::trim(line.substr(0, line.find('#')));
        if (!line.empty()) rows.push_back({std::string(line), {file, number}});
    }
    return rows;
}

// "key  value": cut at the first white space.
std::pair<std::string, std::string> cut(std::string_view row) {
    const std::size_t blank = row.find_first_of(" \t");
    if (blank == std::string_view::npos) return {std::string(row), ""};
    return {std::string(row.substr(0, blank)), std::string(text::trim(row.substr(blank)))};
}

class Reader {
public:
    Reader(OpenDkim& found, const Files& files) : found_(found), files_(files) {}

    static constexpr std::size_t kMostFiles = 1000;  // files that include each other grow without bound

    void read_conf(const std::string& path, const std::string& text, int depth) {
        for (Row& row : rows_of(text, path)) {
            auto [name, value] = cut(row.text);
            if (text::iequals(name, "Include")) {
                const std::string included = absolute_path(parent_directory(path), value);
                const auto more = depth < 5 && ++included_ <= kMostFiles ? files_.text(included) : std::nullopt;
                if (more)
                    read_conf(included, *more, depth + 1);
                else
                    fault(row.origin, "Include names " + included + ", which cannot be read");
                continue;
            }
            found_.settings.push_back({std::move(name), std::move(value), row.origin});
        }
    }

    // Domain, Selector, KeyFile: used only where there is no KeyTable.
    void read_single_key() {
        const DkimSetting* file = found_.find("KeyFile");
        const DkimSetting* domain = found_.find("Domain");
        const DkimSetting* selector = found_.find("Selector");
        if (found_.find("KeyTable") != nullptr || file == nullptr || domain == nullptr || selector == nullptr)
            return;
        for (const Row& row : rows_of_set(*domain)) {
            const std::string name = cut(row.text).first;
            found_.keys.push_back({name, name, selector->value,
                                   absolute_path(parent_directory(found_.file), file->value), file->origin});
            found_.rules.push_back({name, name, false, row.origin});
        }
    }

    void read_tables() {
        if (const DkimSetting* table = found_.find("KeyTable")) {
            for (const Row& row : rows_of_set(*table)) read_key(row);
        }
        if (const DkimSetting* table = found_.find("SigningTable")) {
            const bool wildcards = text::istarts_with(table->value, "refile:");
            for (const Row& row : rows_of_set(*table)) {
                auto [pattern, key] = cut(row.text);
                key = key.substr(0, key.find(':'));  // a second field would name the signer of i=
                key = cut(key).first;
                if (key.empty())
                    fault(row.origin, "\"" + text::safe_for_log(pattern, 80) + "\" names no key");
                else
                    found_.rules.push_back({text::to_lower(pattern), key, wildcards, row.origin});
            }
        }
        if (const DkimSetting* hosts = found_.find("InternalHosts")) {
            for (const Row& row : rows_of_set(*hosts)) found_.trusted.push_back(row.text);
        }
    }

private:
    void fault(const Origin& origin, std::string what) { found_.faults.push_back({origin, std::move(what)}); }

    // "name  domain:selector:file".
    void read_key(const Row& row) {
        auto [name, value] = cut(row.text);
        std::string_view rest = value;
        DkimKey key{std::move(name), std::string(text::take_field(rest, ':')),
                    std::string(text::take_field(rest, ':')), std::string(rest), row.origin};
        if (key.domain.empty() || key.selector.empty() || key.file.empty()) {
            fault(row.origin,
                  "\"" + text::safe_for_log(key.name, 80) +
                      "\" should be followed by DOMAIN:SELECTOR:FILE; OpenDKIM cannot use this key");
            return;
        }
        // What is no path is the key itself; it is not kept here.
        if (!key.file.starts_with('/') && !key.file.starts_with("./") && !key.file.starts_with("../"))
            key.file.clear();
        else
            key.file = absolute_path(parent_directory(found_.file), key.file);
        text::lower_in_place(key.domain);
        found_.keys.push_back(std::move(key));
    }

    // The rows of a data set (opendkim(8)): of a file, or those that stand in the setting itself.
    std::vector<Row> rows_of_set(const DkimSetting& setting) {
        std::string_view spec = setting.value;
        for (const std::string_view prefix : {"refile:", "file:"}) {
            if (!text::istarts_with(spec, prefix)) continue;
            return rows_of_file(setting,
                                absolute_path(parent_directory(found_.file), spec.substr(prefix.size())));
        }
        if (spec.starts_with('/') || spec.starts_with("./") || spec.starts_with("../"))
            return rows_of_file(setting, absolute_path(parent_directory(found_.file), spec));
        const std::size_t colon = spec.find(':');
        const std::string type = text::to_lower(spec.substr(0, colon == std::string_view::npos ? 0 : colon));
        for (const std::string_view opaque :
             {"db", "dsn", "ldap", "ldaps", "ldapi", "lua", "memcache", "mdb"}) {
            if (type != opaque) continue;
            fault(setting.origin,
                  setting.name + " is in a database (" + type + ":), which cannot be read here");
            return {};
        }
        if (type == "csl") spec.remove_prefix(4);
        std::vector<Row> rows;
        while (!spec.empty()) {
            const std::string_view item = text::trim(text::take_field(spec, ','));
            if (item.empty()) continue;
            // A list in the setting gives keys and values as "key=value".
            std::string row(item);
            if (const std::size_t equals = row.find('='); equals != std::string::npos) row[equals] = ' ';
            rows.push_back({std::move(row), setting.origin});
        }
        return rows;
    }

    std::vector<Row> rows_of_file(const DkimSetting& setting, const std::string& path) {
        if (const auto text = files_.text(path)) return rows_of(*text, path);
        fault(setting.origin, setting.name + " names " + path + ", which " +
                                  (files_.facts(path) ? "cannot be read" : "does not exist"));
        return {};
    }

    OpenDkim& found_;
    const Files& files_;
    std::size_t included_ = 0;
};

}  // namespace

const DkimSetting* OpenDkim::find(std::string_view name) const {
    const auto found = std::find_if(settings.rbegin(), settings.rend(),
                                    [&](const DkimSetting& s) { return text::iequals(s.name, name); });
    return found == settings.rend() ? nullptr : &*found;
}

std::string OpenDkim::value(std::string_view name) const {
    const DkimSetting* setting = find(name);
    return setting == nullptr ? "" : setting->value;
}

std::optional<OpenDkim> read_opendkim(const std::string& path, const Files& files) {
    std::vector<std::string> candidates{path};
    if (const auto facts = files.facts(path); !facts || facts->directory || facts->hidden) {
        candidates = {absolute_path(path, "opendkim.conf")};
        if (!path.ends_with(".conf")) candidates.push_back(path + ".conf");
    }
    for (const std::string& candidate : candidates) {
        const auto text = files.text(candidate);
        if (!text) continue;
        OpenDkim found;
        found.file = candidate;
        Reader reader(found, files);
        reader.read_conf(candidate, *text, 0);
        reader.read_single_key();
        reader.read_tables();
        return found;
    }
    return std::nullopt;
}

}  // namespace posthorn::migration
