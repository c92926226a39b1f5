// Places in files and paths, as text.
#include "migration/files.hpp"

namespace posthorn::migration {

std::string Origin::to_string() const {
    if (built_in()) return "built in";
    return line == 0 ? file : file + ":" + std::to_string(line);
}

std::string absolute_path(std::string_view directory, std::string_view path) {
    if (path.starts_with('/')) return std::string(path);
    while (path.starts_with("./")) path.remove_prefix(2);
    while (directory.size() > 1 && directory.ends_with('/')) directory.remove_suffix(1);
    return std::string(directory) + (directory.ends_with('/') ? "" : "/") + std::string(path);
}

std::string parent_directory(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return ".";
    return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

}  // namespace posthorn::migration
