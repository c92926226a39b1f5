// How names of this machine become addresses, in which order the rules come, and what is not believed (SM-41 to SM-47).
#include "intake/local_names.hpp"

#include <gtest/gtest.h>

#include <map>

namespace posthorn::intake {
namespace {

constexpr std::uint32_t kDaemon = 101;
constexpr std::uint32_t kAlice = 1000;

class FakeFiles final : public NameFiles {
public:
    Aliases alias_file;
    std::map<std::string, NameFile> files;
    std::map<std::string, PasswdEntry> users;

    Aliases aliases(const std::string&) override { return alias_file; }
    std::size_t reads = 0;
    NameFile file(const std::string& path, bool) override {
        ++reads;
        const auto found = files.find(path);
        return found == files.end() ? NameFile{} : found->second;
    }
    std::optional<PasswdEntry> user(const std::string& name) override {
        const auto found = users.find(name);
        return found == users.end() ? std::nullopt : std::optional(found->second);
    }
    std::uint32_t own_uid() const override { return kDaemon; }
};

NameFile read(std::string text, std::uint32_t owner = 0, std::uint32_t mode = 0644) {
    NameFile file;
    file.state = NameFile::State::read;
    file.owner = owner;
    file.mode = mode;
    file.text = std::move(text);
    return file;
}

class LocalNamesTest : public testing::Test {
protected:
    LocalNamesTest() {
        names.hostname = "web1.example.com";
        names.domains = {"web1.example.com", "web1", "kusanagi71"};
        names.own_domains = {"example.com"};
        files.users["alice"] = {kAlice, "/home/alice"};
    }
    void aliases(std::string_view text) {
        files.alias_file.state = NameFile::State::read;
        files.alias_file.table = std::make_shared<mail::AliasTable>(mail::parse_aliases(text));
    }
    void forward(std::string text, std::uint32_t owner = kAlice, std::uint32_t mode = 0644) {
        files.files["/home/alice/.forward"] = read(std::move(text), owner, mode);
    }
    // "a@example.com b@example.net" or "discarded" or "550 5.1.1".
    std::string to(std::string_view name) {
        last = expand(names, files, name);
        if (last.kind == Expansion::Kind::discarded) return "discarded";
        if (last.kind == Expansion::Kind::refused) {
            EXPECT_TRUE(last.targets.empty());
            return std::to_string(last.code) + " " + std::string(last.enhanced);
        }
        std::string all;
        for (const Target& target : last.targets) {
            if (!all.empty()) all += " ";
            all += target.address;
            if (target.reverse_path) all += "<" + *target.reverse_path;
        }
        return all;
    }
    bool warned(std::string_view part) const {
        for (const std::string& warning : last.warnings)
            if (warning.find(part) != std::string::npos) return true;
        return false;
    }

    LocalNames names;
    FakeFiles files;
    Expansion last;
};

// SM-45, SD-12, SD-70.
TEST_F(LocalNamesTest, WhatIsLocal) {
    for (const char* local : {"root", "www-data", "root@localhost", "root@LOCALHOST", "root@localhost.localdomain", "httpd@kusanagi71.localdomain",
                              "root@web1.example.com", "root@Web1", "root@[127.0.0.1]", "root@[IPv6:::1]", "\"a@b\"@localhost", "x@app.localhost"})
        EXPECT_TRUE(names.is_local(local)) << local;
    for (const char* other : {"root@example.com", "root@example.net", "root@web2", "root@localdomain.example", "\"a@localhost\"@example.net",
                              "root@notlocalhost", "root@[192.0.2.1]"})
        EXPECT_FALSE(names.is_local(other)) << other;
    // A [[domain]] has its MX, whatever the machine is called.
    names.own_domains.push_back("web1.example.com");
    EXPECT_FALSE(names.is_local("root@web1.example.com"));
    EXPECT_TRUE(names.is_local("root@web1"));
}

// SM-43: the order, one rule taken away after the other.
TEST_F(LocalNamesTest, RulesInTheirOrder) {
    aliases("alice: by-alias@example.net\nroot: by-root@example.net\n");
    forward("by-forward@example.net\n");
    names.options.users_to = {"by-setting@example.net"};
    EXPECT_EQ(to("alice"), "by-alias@example.net");
    EXPECT_EQ(last.targets[0].via, "/etc/aliases:1");
    EXPECT_EQ(last.delivered_to, "alice@web1.example.com");
    aliases("root: by-root@example.net\n");
    EXPECT_EQ(to("Alice@localhost"), "by-forward@example.net");
    EXPECT_EQ(last.targets[0].via, "~alice/.forward:1");
    names.options.forward_files = false;
    EXPECT_EQ(to("alice"), "by-setting@example.net");
    EXPECT_EQ(last.targets[0].via, "local.users_to");
    names.options.users_to.clear();
    EXPECT_EQ(to("alice"), "by-root@example.net");
    EXPECT_EQ(to("no-such-user"), "by-root@example.net");
    aliases("");
    EXPECT_EQ(to("alice@localhost"), "550 5.1.1");
    EXPECT_NE(last.text.find("alice@localhost: Nobody here gets mail for \"alice\""), std::string::npos) << last.text;
    EXPECT_NE(last.text.find("local.users_to"), std::string::npos) << last.text;
}

TEST_F(LocalNamesTest, DebiansChainLeadsToRootAndOn) {
    aliases("mailer-daemon: postmaster\npostmaster: root\nnobody: root\nwww-data: root\nroot: admin@example.com\n");
    EXPECT_EQ(to("MAILER-DAEMON"), "admin@example.com");
    EXPECT_EQ(to("www-data@kusanagi71.localdomain"), "admin@example.com");
    // As Debian installs it: nobody is root.
    aliases("mailer-daemon: postmaster\npostmaster: root\nnobody: root\nwww-data: root\n");
    EXPECT_EQ(to("www-data"), "550 5.2.4");
    names.options.users_to = {"admin@example.com", "second@example.com"};
    EXPECT_EQ(to("www-data"), "admin@example.com second@example.com");
    EXPECT_EQ(to("root"), "admin@example.com second@example.com");
}

TEST_F(LocalNamesTest, PostmasterAlwaysReadsHisMail) {  // RFC 5321 s4.5.1
    EXPECT_EQ(to("postmaster@localhost"), "550 5.1.1");
    names.postmaster = "postmaster@example.com";
    EXPECT_EQ(to("postmaster@localhost"), "postmaster@example.com");
    EXPECT_EQ(to("root@localhost"), "550 5.1.1");
}

// SM-42.
TEST_F(LocalNamesTest, AnAliasThatListsItselfIsAUserAndTakesTheNextRule) {
    aliases("alice: alice, colleague@example.net\nroot: root, admin@example.com\n");
    EXPECT_EQ(to("alice"), "admin@example.com colleague@example.net");
    forward("alice, private@example.net\n");
    EXPECT_EQ(to("alice"), "admin@example.com private@example.net colleague@example.net");
    forward("private@example.net\n");
    EXPECT_EQ(to("alice"), "private@example.net colleague@example.net");
    aliases("root: root\n");
    EXPECT_EQ(to("root"), "550 5.2.4");
    names.options.users_to = {"admin@example.com"};
    EXPECT_EQ(to("root"), "admin@example.com");
}

// SM-46: a backslash ends it.
TEST_F(LocalNamesTest, ABackslashMeansNeitherAliasNorForward) {
    aliases("bob: \\alice\nalice: wrong@example.net\nroot: admin@example.com\n");
    forward("wrong@example.net\n");
    EXPECT_EQ(to("bob"), "admin@example.com");
    aliases("root: admin@example.com\n");
    forward("\\alice, alice@example.net\n");
    EXPECT_EQ(to("alice"), "admin@example.com alice@example.net");
}

TEST_F(LocalNamesTest, CirclesEndAndCostOnlyThemselves) {
    aliases("a: b\nb: c\nc: a\nd: a, x@example.net\n");
    EXPECT_EQ(to("a"), "554 5.4.6");
    EXPECT_NE(last.text.find("a -> b -> c -> a"), std::string::npos) << last.text;
    EXPECT_EQ(to("d"), "x@example.net");
    EXPECT_TRUE(warned("goes in a circle"));
    // By the names of the machine, too.
    aliases("a: b@localhost\nb: a@web1\n");
    EXPECT_EQ(to("a"), "554 5.4.6");
    names.options.users_to = {"root@localhost"};
    EXPECT_EQ(to("root"), "550 5.1.1");
}

TEST_F(LocalNamesTest, WhatIsTooMuchIsRefusedAsAWhole) {
    std::string chain = "n0: n1, start@example.net\n";
    for (int i = 1; i < 30; ++i) chain += "n" + std::to_string(i) + ": n" + std::to_string(i + 1) + "\n";
    aliases(chain + "n30: end@example.net\n");
    EXPECT_EQ(to("n0"), "554 5.4.6");
    EXPECT_EQ(to("n20"), "end@example.net");

    std::string crowd = "crowd: u0@example.net";
    for (int i = 1; i < 1001; ++i) crowd += ", u" + std::to_string(i) + "@example.net";
    aliases(crowd + "\n");
    EXPECT_EQ(to("crowd"), "554 5.4.6");
    EXPECT_NE(last.text.find("more than 1000 addresses"), std::string::npos) << last.text;

    // 2^20 ways to one address: each name is followed once.
    std::string fork;
    for (int i = 0; i < 19; ++i) fork += "f" + std::to_string(i) + ": f" + std::to_string(i + 1) + ", f" + std::to_string(i + 1) + "\n";
    aliases(fork + "f19: one@example.net\n");
    EXPECT_EQ(to("f0"), "one@example.net");

    std::string same = "same: a@example.net";
    for (int i = 0; i < 20000; ++i) same += ",a@example.net";
    aliases(same + "\n");
    EXPECT_EQ(to("same"), "554 5.4.6");
}

TEST_F(LocalNamesTest, EachAddressOnce) {
    aliases("list: a@example.net, b@example.net, sub, a@EXAMPLE.net\nsub: b@example.net, c@example.net\n");
    EXPECT_EQ(to("list"), "a@example.net b@example.net c@example.net");
}

// SM-41.
TEST_F(LocalNamesTest, CommandsAndFilesAreRefusedWithTheirLineAndOthersStillGetIt) {
    aliases("# first\nticket: \"|/usr/bin/rt-mailgate --queue x\"\nbox: /var/mail/box\nboth: |/bin/x, admin@example.com\n");
    EXPECT_EQ(to("ticket"), "550 5.2.4");
    EXPECT_NE(last.text.find("/etc/aliases:2: |/usr/bin/rt-mailgate"), std::string::npos) << last.text;
    EXPECT_NE(last.text.find("runs no commands"), std::string::npos) << last.text;
    EXPECT_EQ(to("box"), "550 5.2.4");
    EXPECT_NE(last.text.find("/etc/aliases:3: /var/mail/box is refused"), std::string::npos) << last.text;
    EXPECT_EQ(to("both"), "admin@example.com");
    EXPECT_TRUE(warned("/etc/aliases:4: |/bin/x is refused"));
}

TEST_F(LocalNamesTest, DevNullTakesAndForgets) {
    aliases("noise: /dev/null\nhalf: /dev/null, admin@example.com\nnested: noise\n");
    EXPECT_EQ(to("noise"), "discarded");
    EXPECT_EQ(to("nested"), "discarded");
    EXPECT_EQ(to("half"), "admin@example.com");
}

TEST_F(LocalNamesTest, AnAliasWithoutUsableMembersIsNotGivenToOthers) {
    aliases("root: admin@example.com\nclosed:\n");
    names.options.users_to = {"admin@example.com"};
    EXPECT_EQ(to("closed"), "550 5.2.4");
    EXPECT_NE(last.text.find("/etc/aliases:2"), std::string::npos) << last.text;
}

TEST_F(LocalNamesTest, AddressesThatAreNoneAreToldAndPassedOver) {
    aliases("list: a@192.0.2.1, caf\xC3\xA9@example.net, ok@example.net, u@b\xC3\xBC" "cher.example\n");
    EXPECT_EQ(to("list"), "ok@example.net u@xn--bcher-kva.example");
    EXPECT_TRUE(warned("/etc/aliases:1: a@192.0.2.1 is no address"));
    EXPECT_TRUE(warned("SMTPUTF8"));
}

// SM-43: whoever may write a .forward decides where mail goes.
TEST_F(LocalNamesTest, ForwardFilesThatMayNotBeTheUsersAreNotUsed) {
    aliases("root: admin@example.com\n");
    const auto unused = [&](const char* why) {
        EXPECT_EQ(to("alice"), "admin@example.com") << why;
        EXPECT_TRUE(warned("~alice/.forward is not used")) << why;
        EXPECT_TRUE(warned(why));
    };
    forward("evil@example.net\n", kAlice + 1);
    unused("belongs to uid 1001");
    forward("evil@example.net\n", 0);
    unused("belongs to uid 0");
    forward("evil@example.net\n", kAlice, 0664);
    unused("others may write to it");
    forward("evil@example.net\n", kAlice, 0646);
    unused("others may write to it");
    forward("evil@example.net\n");
    files.files["/home/alice/.forward"].regular = false;
    unused("no regular file");
    forward("");
    files.files["/home/alice/.forward"].state = NameFile::State::unreadable;
    files.files["/home/alice/.forward"].trouble = "Permission denied";
    unused("Permission denied");
    // Nothing in it is as good as none.
    forward("# gone\n\n");
    EXPECT_EQ(to("alice"), "admin@example.com");
    EXPECT_TRUE(last.warnings.empty());
    forward("good@example.net\n", kAlice, 0600);
    EXPECT_EQ(to("alice"), "good@example.net");
}

TEST_F(LocalNamesTest, ForwardFilesMayNameLocalUsersAndListsOfTheirOwner) {
    aliases("root: admin@example.com\n");
    forward("root, :include:/home/alice/friends\n");
    files.files["/home/alice/friends"] = read("f@example.net\n", kAlice);
    EXPECT_EQ(to("alice"), "admin@example.com f@example.net");
    // What root may read is not for her: nothing of it is told either.
    files.files["/home/alice/friends"] = read("secret of root\n", 0, 0600);
    EXPECT_EQ(to("alice"), "admin@example.com");
    EXPECT_TRUE(warned("belongs to uid 0"));
    for (const std::string& warning : last.warnings) EXPECT_EQ(warning.find("secret"), std::string::npos);
}

TEST_F(LocalNamesTest, IncludedListsMustBeRootsOrOurs) {
    aliases("list: :include:/etc/mail/list, always@example.net\nonly: :include:/etc/mail/list\n");
    files.files["/etc/mail/list"] = read("a@example.net\n# b@example.net\nc@example.net, alice\n");
    forward("alice@example.net\n");
    EXPECT_EQ(to("list"), "a@example.net c@example.net alice@example.net always@example.net");
    EXPECT_EQ(last.targets[1].via, "/etc/mail/list:3");
    files.files["/etc/mail/list"].owner = kDaemon;
    EXPECT_EQ(to("only"), "a@example.net c@example.net alice@example.net");
    files.files["/etc/mail/list"].owner = kAlice;
    EXPECT_EQ(to("list"), "always@example.net");
    EXPECT_TRUE(warned("belongs to uid 1000; it must belong to uid 101 or to root"));
    EXPECT_EQ(to("only"), "550 5.2.4");
    files.files["/etc/mail/list"].owner = 0;
    files.files["/etc/mail/list"].mode = 0666;
    EXPECT_EQ(to("only"), "550 5.2.4");
    files.files.erase("/etc/mail/list");
    EXPECT_EQ(to("only"), "550 5.2.4");
    EXPECT_NE(last.text.find("there is no such file"), std::string::npos) << last.text;
    // Lists in lists, and in themselves.
    files.files["/etc/mail/list"] = read(":include:/etc/mail/more\na@example.net\n");
    files.files["/etc/mail/more"] = read("b@example.net\n:include:/etc/mail/list\n");
    EXPECT_EQ(to("only"), "b@example.net a@example.net");
    EXPECT_TRUE(warned("goes in a circle"));
}

TEST_F(LocalNamesTest, AnAliasFileThatCannotBeReadIsTrouble) {
    files.alias_file.state = NameFile::State::unreadable;
    files.alias_file.trouble = "Permission denied";
    EXPECT_EQ(to("root"), "451 4.3.5");
    EXPECT_NE(last.text.find("cannot read /etc/aliases: Permission denied"), std::string::npos) << last.text;
    // Somebody gets it rather than nobody.
    names.options.users_to = {"admin@example.com"};
    EXPECT_EQ(to("root"), "admin@example.com");
    EXPECT_TRUE(warned("cannot read /etc/aliases"));
}

// SM-47.
TEST_F(LocalNamesTest, OwnersAreTheSendersOfTheirLists) {
    aliases("news: a@example.net, sub\nowner-news: boss\nboss: boss@example.com\nsub: b@example.net\nowner-sub: sub-owner@example.com\n");
    EXPECT_EQ(to("news"), "a@example.net<boss@example.com b@example.net<sub-owner@example.com");
    EXPECT_EQ(to("owner-news"), "boss@example.com");
    EXPECT_EQ(to("news-request"), "boss@example.com");
    EXPECT_EQ(to("nothing-request"), "550 5.1.1");
    aliases("news: a@example.net\nowner-news: boss@example.com\nnews-request: helper@example.net\n");
    EXPECT_EQ(to("news-request"), "helper@example.net");
}

TEST_F(LocalNamesTest, AnOwnerWhoCannotBeTheSenderIsNot) {
    aliases("news: a@example.net\nowner-news: boss@gmail.com\n");
    EXPECT_EQ(to("news"), "a@example.net");
    EXPECT_TRUE(warned("would fail SPF"));
    aliases("news: a@example.net\nowner-news: boss@example.com, second@example.com\n");
    EXPECT_EQ(to("news"), "a@example.net");
    EXPECT_TRUE(warned("comes to 2 addresses"));
    names.own_domains.clear();
    aliases("news: a@example.net\nowner-news: boss@gmail.com\n");
    EXPECT_EQ(to("news"), "a@example.net<boss@gmail.com");
}

TEST_F(LocalNamesTest, WhatANameComesToCounts) {
    aliases("three: a@example.net, b@example.net, c@example.net\none: a@example.net\nnone: /dev/null\n");
    std::vector<Expansion> all;
    for (const char* name : {"three", "one", "none", "three"}) all.push_back(expand(names, files, name));
    EXPECT_EQ(recipients_beyond(all), 4U);
}

TEST_F(LocalNamesTest, TheStepsTellTheWay) {
    aliases("www-data: root\nroot: admin@example.com\n");
    EXPECT_EQ(to("www-data@localhost"), "admin@example.com");
    const std::vector<std::string> expected = {"  www-data: alias in /etc/aliases:1", "    root: alias in /etc/aliases:2",
                                               "    admin@example.com"};
    EXPECT_EQ(last.steps, expected);
}

TEST_F(LocalNamesTest, RepliesAreOneLineOfAscii) {
    const std::string text = [&] {
        (void)to("\"w\xC3\xB6 rt\"@localhost");
        return last.text;
    }();
    for (const char c : text) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << text;
}

// A .forward of nothing but one large file, again and again: gigabytes to read for each RCPT, on a thread that others wait for.
TEST_F(LocalNamesTest, AFileIncludedAgainAndAgainEndsSomewhere) {
    std::string text;
    for (int i = 0; i < 3000; ++i) text += ":include:/home/alice/large\n";
    forward(text);
    files.files["/home/alice/large"] = read(std::string(1024 * 1024, '#') + "\n\"\n", kAlice);
    EXPECT_EQ(to("alice"), "554 5.4.6");
    EXPECT_LE(files.reads, 12U);
}

TEST_F(LocalNamesTest, WhatTheLogIsToldOfOneNameIsBounded) {
    std::string text = "bob@example.net\n";
    for (int i = 0; i < 1000; ++i) text += ":include:/home/alice/missing\n";
    forward(text);
    EXPECT_EQ(to("alice"), "bob@example.net");
    EXPECT_EQ(last.warnings.size(), kMaxAliasWarnings + 1);
}

// Root's mail goes to whoever else is listed, however much one of them wrote into his .forward.
TEST_F(LocalNamesTest, AUserCannotKeepAListFromTheOthers) {
    aliases("root: alice, carol, ops@example.net\ncarol: carol@example.net\n");
    std::string text = "carol\n";
    for (int i = 0; i < 1500; ++i) text += "a" + std::to_string(i) + "@example.org\n";
    forward(text);
    EXPECT_EQ(to("root"), "carol@example.net ops@example.net");
    EXPECT_TRUE(warned("~alice/.forward is not used"));
    EXPECT_EQ(to("alice"), "554 5.4.6") << "his own mail is his own business";
}

}  // namespace
}  // namespace posthorn::intake
