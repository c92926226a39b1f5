// The configurations of the four field reports (SD-28 to SD-86), as files in tests/import: what the import
// makes of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "config/config.hpp"
#include "migration/equivalents.hpp"
#include "migration/migration.hpp"
#include "unit/migration/file_tree.hpp"

namespace posthorn::migration {
namespace {

namespace fs = std::filesystem;

std::string key_of(int bits) {
    FILE* pipe =
        ::popen(("openssl genrsa -traditional " + std::to_string(bits) + " 2>/dev/null").c_str(), "r");
    std::string pem;
    char part[4096];
    for (std::size_t n = 0; pipe != nullptr && (n = std::fread(part, 1, sizeof part, pipe)) > 0;)
        pem.append(part, n);
    if (pipe != nullptr) ::pclose(pipe);
    return pem;
}

// tests/import/NAME as the root of a machine, with new keys wherever the reports had one.
test::FileTree report(const std::string& name, int bits = 2048) {
    test::FileTree tree;
    const fs::path root = fs::path(POSTHORN_SOURCE_DIR) / "tests/import" / name;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
        if (!entry.is_regular_file()) continue;
        std::ifstream in(entry.path());
        tree.texts["/" + fs::relative(entry.path(), root).string()] = {std::istreambuf_iterator<char>(in),
                                                                       {}};
    }
    static const std::string k1024 = key_of(1024), k2048 = key_of(2048);
    const std::string& pem = bits == 1024 ? k1024 : k2048;
    const char* keys[] = {"tsukarooohi.com/m1", "example.com/server-20240129", "example.net/server-20240129",
                          "example.org/20160605", "example.com/default"};
    for (const char* key : keys) {
        const std::string path = std::string("/etc/opendkim/keys/") + key + ".private";
        if (tree.texts["/etc/opendkim/KeyTable"].find(path) != std::string::npos) tree.texts[path] = pem;
    }
    return tree;
}

Migration import(const test::FileTree& tree, const std::string& hostname = "vps", bool copy_users = false) {
    Sources sources;
    sources.machine.hostname = hostname;
    sources.copy_users = copy_users;
    const auto made = plan(tree, sources);
    EXPECT_TRUE(made) << (made ? "" : made.error().what);
    return made ? *made : Migration{};
}

config::Config loaded(const Migration& made) {
    const config::Loaded found = config::parse(made.toml, "/etc/posthorn/posthorn.toml", {});
    EXPECT_TRUE(found.mistakes.empty())
        << made.toml << (found.mistakes.empty() ? "" : found.mistakes.front().to_string());
    EXPECT_TRUE(made.blocked.empty());
    return found.config;
}

bool says(const std::vector<Note>& notes, const std::string& subject, const std::string& words = "") {
    return std::any_of(notes.begin(), notes.end(), [&](const Note& n) {
        return n.subject == subject && n.words.find(words) != std::string::npos;
    });
}

std::string shown(const std::vector<Note>& notes) {
    std::string all;
    for (const Note& note : notes)
        all += note.subject + " (" + note.origin.to_string() + "): " + note.words + "\n";
    return all;
}

std::size_t line_of(const test::FileTree& tree, const std::string& file, const std::string& text) {
    const std::string& all = tree.texts.at(file);
    return 1 + static_cast<std::size_t>(
                   std::count(all.begin(), all.begin() + static_cast<long>(all.find(text)), '\n'));
}

TEST(Reports, KusanagiWithOneSignedAddress) {
    const auto tree = report("S0");
    const Migration made = import(tree, "kusanagi71");
    const config::Config config = loaded(made);
    EXPECT_EQ(config.hostname, "email.tsukarooohi.com");
    ASSERT_EQ(config.auth.domains.size(), 1U);
    EXPECT_EQ(config.auth.domains[0].name, "tsukarooohi.com");
    ASSERT_EQ(config.auth.domains[0].keys.size(), 1U);
    EXPECT_EQ(config.auth.domains[0].keys[0].selector, "m1");
    EXPECT_EQ(config.auth.domains[0].keys[0].key_file, "/etc/posthorn/keys/tsukarooohi.com/m1.pem");
    ASSERT_EQ(made.keys.size(), 1U);
    EXPECT_EQ(made.keys[0].from, "/etc/opendkim/keys/tsukarooohi.com/m1.private");
    // Each line says where it comes from.
    EXPECT_NE(
        made.toml.find("/etc/postfix/main.cf:" +
                       std::to_string(line_of(tree, "/etc/postfix/main.cf", "myhostname =")) + " myhostname"),
        std::string::npos)
        << made.toml;
    EXPECT_NE(made.toml.find("/etc/opendkim/KeyTable:1 KeyTable, /etc/opendkim/SigningTable:2"),
              std::string::npos)
        << made.toml;
    // kusanagi71.localdomain, where the envelope senders came from, is mended (SD-2).
    const auto& names = config.intake.local_domains;
    EXPECT_NE(std::find(names.begin(), names.end(), "kusanagi71"), names.end()) << made.toml;
    EXPECT_TRUE(says(made.mistakes, "SigningTable", "Only mail from email@tsukarooohi.com is signed"))
        << shown(made.mistakes);                                                                    // SD-4
    EXPECT_TRUE(says(made.mistakes, "milter_default_action", "unsigned")) << shown(made.mistakes);  // SD-13
    EXPECT_TRUE(says(made.mistakes, "smtp_tls_security_level", "clear text"))
        << shown(made.mistakes);  // SD-62
    EXPECT_FALSE(says(made.mistakes, "TrustedHosts"));
    EXPECT_FALSE(says(made.mistakes, "non_smtpd_milters"));
    EXPECT_FALSE(says(made.mistakes, "mydestination"));
}

TEST(Reports, TheNameOfTheMachineIsNotTheServersName) {
    auto tree = report("S0");
    std::string& main = tree.texts["/etc/postfix/main.cf"];
    main.replace(main.find("email.tsukarooohi.com"), 21, "kusanagi71.localdomain");
    const Migration made = import(tree, "kusanagi71");
    EXPECT_EQ(loaded(made).hostname, "mail.tsukarooohi.com");
    EXPECT_TRUE(says(made.mistakes, "myhostname", "for this machine only"));
    EXPECT_TRUE(says(made.to_do, "hostname"));
}

TEST(Reports, AlmaLinuxWithDuplicatesAndATypo) {
    const auto tree = report("S1");
    const Migration made = import(tree);
    const config::Config config = loaded(made);
    EXPECT_EQ(config.hostname, "mail.example.com");
    ASSERT_EQ(config.auth.domains.size(), 2U);
    EXPECT_EQ(config.auth.domains[0].name, "example.com");
    EXPECT_EQ(config.auth.domains[1].name, "example.net");
    EXPECT_EQ(config.auth.domains[1].keys[0].selector, "server-20240129");
    EXPECT_TRUE(says(made.mistakes, "KetTable", "KeyTable is probably meant"))
        << shown(made.mistakes);  // SD-35
    EXPECT_TRUE(says(made.mistakes, "smtp_tls_security_level", "It is set at line"))
        << shown(made.mistakes);  // SD-9
    EXPECT_TRUE(
        says(made.mistakes, "smtp_tls_CAfile", "\"/etc/pki/tls/certs/ca-bundle.crt\", which has no effect"));
    EXPECT_TRUE(says(made.mistakes, "smtpd_tls_cert_file", "does not exist"));
    EXPECT_TRUE(says(made.to_do, "root")) << shown(made.to_do);
    EXPECT_EQ(config.intake.qualify_domain, "example.com");
}

TEST(Reports, HomeServerWithAShortKeyAndAWideNetwork) {
    const Migration made = import(report("S2", 1024));
    const config::Config config = loaded(made);
    ASSERT_EQ(config.auth.domains.size(), 1U);
    EXPECT_EQ(config.auth.domains[0].keys[0].selector, "20160605");
    EXPECT_EQ(config.auth.dkim.header, auth::Canonical::relaxed);
    EXPECT_EQ(config.auth.dkim.body, auth::Canonical::simple);
    EXPECT_EQ(config.delivery.family, delivery::IpFamily::v4);
    EXPECT_TRUE(says(made.mistakes, "KeyTable", "1024 bits")) << shown(made.mistakes);
    EXPECT_TRUE(says(made.mistakes, "non_smtpd_milters", "missing"));  // SD-43
    EXPECT_TRUE(says(made.mistakes, "mynetworks", "192.168.0.0/16"));  // SD-68
    EXPECT_TRUE(says(made.mistakes, "mydestination", "example.org"));  // SD-12
    ASSERT_EQ(config.server.relay.trusted_networks.size(), 1U);
    EXPECT_EQ(config.server.relay.trusted_networks[0].to_string(), "127.0.0.0/8");
    ASSERT_EQ(config.server.listeners.size(), 1U);
    EXPECT_EQ(config.server.listeners[0].address.to_string(), "127.0.0.1:25");
}

test::FileTree conoha() {
    auto tree = report("S3");
    tree.texts["/etc/letsencrypt/live/example.com/fullchain.pem"] = "certificate";
    tree.texts["/etc/letsencrypt/live/example.com/privkey.pem"] = "key";
    tree.texts["/etc/dovecot/users"] =
        "taro@example.com:{SHA512-CRYPT}$6$salt$hash::::::\nhana@example.com:{PLAIN}secret\n";
    return tree;
}

TEST(Reports, ConohaWithDovecot) {
    const Migration made = import(conoha());
    const config::Config config = loaded(made);
    EXPECT_EQ(config.hostname, "example.com");
    EXPECT_EQ(config.auth.domains.at(0).keys.at(0).selector, "default");
    EXPECT_EQ(config.server.tls.certificate_file, "/etc/letsencrypt/live/example.com/fullchain.pem");
    EXPECT_EQ(config.auth.credentials.dovecot_socket, "/run/dovecot/posthorn-auth");
    EXPECT_TRUE(says(made.to_do, "dovecot", "unix_listener"));
    ASSERT_EQ(config.server.listeners.size(), 2U) << made.toml;
    EXPECT_EQ(config.server.listeners[0].address.to_string(), "127.0.0.1:25");
    EXPECT_EQ(config.server.listeners[1].address.port, 587);
    EXPECT_EQ(config.server.listeners[1].auth, smtp::server::ListenerAuth::required);
    EXPECT_EQ(config.server.listeners[1].tls, smtp::server::ListenerTls::starttls);
    EXPECT_TRUE(says(made.mistakes, "KeyFile", "mail.private does not exist"))
        << shown(made.mistakes);                                                            // SD-10
    EXPECT_TRUE(says(made.mistakes, "TrustedHosts", "No setting names this file"));         // SD-11
    EXPECT_TRUE(says(made.mistakes, "mydestination", "example.com"));                       // SD-12
    EXPECT_TRUE(says(made.mistakes, "tls_high_cipherlist", "The grade in use is medium"));  // SD-66
    EXPECT_TRUE(says(made.mistakes, "smtpd_tls_auth_only", "the same value"));              // SD-58
    EXPECT_TRUE(says(made.mistakes, "milter_default_action"));
    EXPECT_FALSE(says(made.mistakes, "smtp_tls_security_level"));
    EXPECT_FALSE(says(made.mistakes, "smtpd_tls_protocols")) << shown(made.mistakes);
}

TEST(Reports, DovecotsUsersCanBeCopied) {
    const Migration made = import(conoha(), "vps", true);
    EXPECT_EQ(loaded(made).auth.credentials.users_file, "/etc/posthorn/users");
    ASSERT_EQ(made.secrets.size(), 1U);
    EXPECT_NE(made.secrets[0].content.find("\ntaro@example.com:$6$salt$hash\n"), std::string::npos);
    EXPECT_EQ(made.secrets[0].content.find("hana"), std::string::npos);
    EXPECT_TRUE(says(made.not_carried, "passdb", "hana@example.com"));
    EXPECT_EQ(made.toml.find("$6$"), std::string::npos);
}

// Nothing that the reports set is passed over in silence.
TEST(Reports, EverySettingIsAccountedFor) {
    for (const char* name : {"S0", "S1", "S2", "S3"}) {
        auto tree = report(name);
        const Migration made = import(tree);
        for (const Note& note : made.not_carried) {
            EXPECT_EQ(note.words.find("Posthorn has nothing of the kind; see"), std::string::npos)
                << name << ": " << note.subject;
        }
        std::string all = shown(made.carried) + shown(made.not_carried) + shown(made.not_needed) +
                          shown(made.mistakes) + made.toml;
        const Parameters main(tree.texts.at("/etc/postfix/main.cf"), "/etc/postfix/main.cf", {});
        for (const Assignment& assignment : main.assignments()) {
            const Equivalent* known = equivalent(Equivalent::Program::postfix, assignment.name);
            EXPECT_TRUE(known != nullptr) << name << ": " << assignment.name << " has no row in the table";
        }
    }
}

TEST(Reports, ThePageInTheRepositoryIsThatOfTheTable) {
    std::ifstream in(std::string(POSTHORN_SOURCE_DIR) + "/docs/from-postfix.md");
    const std::string page{std::istreambuf_iterator<char>(in), {}};
    EXPECT_TRUE(page == equivalents_page()) << "posthorn import reference > docs/from-postfix.md";
    // Options, files, commands and records of the reports; among them those that are looked after nowhere
    // else: SD-29, SD-33, SD-34, SD-37, SD-38, SD-41, SD-42, SD-44, SD-48, SD-56, SD-63, SD-64, SD-72, SD-84,
    // SD-85.
    for (int id = 28; id <= 86; ++id) {
        const std::string wanted = "SD-" + std::to_string(id);
        std::size_t at = page.find(wanted);
        while (at != std::string::npos &&
               std::isdigit(static_cast<unsigned char>(page[at + wanted.size()])) != 0)
            at = page.find(wanted, at + 1);
        EXPECT_NE(at, std::string::npos) << wanted;
    }
}

}  // namespace
}  // namespace posthorn::migration
