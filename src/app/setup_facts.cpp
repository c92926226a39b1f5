// Files and system calls, each bounded; what cannot be read is as if it were not there.
#include "app/setup_facts.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "base/descriptor.hpp"
#include "net/interfaces.hpp"
#include "setup/machine_text.hpp"

namespace posthorn::app {
namespace {

namespace fs = std::filesystem;

// The copies that packaging/debian/certbot-deploy-hook makes for the daemon come before what only root reads.
constexpr std::array<const char*, 2> kCertificateDirectories = {"/etc/posthorn/tls", "/etc/letsencrypt/live"};

std::string first_octets(const std::string& path, std::size_t most) {
    std::ifstream file(path, std::ios::binary);
    std::string content(most, '\0');
    file.read(content.data(), static_cast<std::streamsize>(most));
    content.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    return content;
}

}  // namespace

setup::Machine look_at_machine(const std::string& directory) {
    constexpr std::size_t kHostsOctets = 1024 * 1024;
    constexpr std::size_t kAliasOctets = 4 * 1024 * 1024;
    constexpr std::size_t kMostCertificates = 1000;
    setup::Machine machine;
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) == 0)
        machine.name = setup::full_name(name.data(), first_octets("/etc/hosts", kHostsOctets));
    machine.addresses = net::interface_addresses();
    for (const char* place : kCertificateDirectories) {
        std::error_code error;
        for (fs::directory_iterator entry(place, error), end; !error && entry != end; entry.increment(error)) {
            std::error_code unknown;
            const fs::path chain = entry->path() / "fullchain.pem";
            if (fs::is_regular_file(chain, unknown)) machine.certificates.push_back(chain.string());
            if (machine.certificates.size() >= kMostCertificates) break;
        }
    }
    machine.root_alias = setup::root_alias(first_octets("/etc/aliases", kAliasOctets));
    machine.is_file = [directory](const std::string& path) {
        const fs::path whole = fs::path(directory) / path;
        return ::access(whole.c_str(), R_OK) == 0 && !fs::is_directory(whole);
    };
    return machine;
}

bool is_port_25_taken() {
    const Descriptor door(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_port = htons(25);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return door.get() >= 0 &&
           ::connect(door.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) == 0;
}

bool has_other_sendmail() {
    constexpr std::size_t kProgramOctets = 4 * 1024 * 1024;
    const std::string program = first_octets("/usr/sbin/sendmail", kProgramOctets);
    return !program.empty() && program.find("posthorn") == std::string::npos;
}

std::string our_sendmail() {
    std::error_code error;
    const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / "sendmail";
    return !error && fs::is_regular_file(beside, error) ? beside.string() : std::string("sendmail");
}

}  // namespace posthorn::app
