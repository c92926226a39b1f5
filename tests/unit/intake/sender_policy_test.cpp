// As whom local mail leaves: the table of SD-2, site by site and caller by caller (SD-1 to SD-4, SD-17, SM-3, SM-4, SM-23, SM-50).
#include "intake/sender_policy.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"

namespace posthorn::intake {
namespace {

// The server of field report 0: a site's domain, a host whose name nobody outside knows, mail that PHP hands in as httpd.
SenderPolicy policy_of(ForeignFrom foreign, std::string address = {}, std::vector<std::string> domains = {"tsukarooohi.com", "example.org"}) {
    SenderPolicy policy;
    policy.domains = std::move(domains);
    policy.ours = auth::SenderRules::of_domains(policy.domains);
    policy.address = std::move(address);
    policy.foreign = foreign;
    policy.machine_names = {"email.tsukarooohi.com", "vps4711.hoster.net"};
    return policy;
}

std::optional<mail::Mailbox> mailbox(const char* address, const char* display = "") {
    const std::string text = address;
    if (text.empty()) return std::nullopt;
    const auto at = text.rfind('@');
    if (at == std::string::npos) return mail::Mailbox{display, text, ""};
    return mail::Mailbox{display, text.substr(0, at), text.substr(at + 1)};
}

constexpr const char* kNotAsked = "(none)";

// One line of the table. `address` is the site's default sender, if it has one.
struct Case {
    const char* what;
    const char* asked;        // -f; kNotAsked: there was none; "": the null sender
    const char* from;         // the From field's address; "": there is no From
    const char* path;         // the envelope's sender in the end
    const char* author;       // the address in From in the end
    SenderDecision::From how;
    const char* done = "";    // all that the log is told
    ForeignFrom foreign = ForeignFrom::rewrite;
    const char* address = "";
    const char* user = "httpd";
    const char* sender = "";  // the Sender field
    bool has_reply_to = false;
};

using From = SenderDecision::From;
constexpr auto kRewrite = ForeignFrom::rewrite;
constexpr auto kKeep = ForeignFrom::keep;

const Case kCases[] = {
    // SD-2: what is ours stays.
    {"both ours", "bounces@tsukarooohi.com", "info@tsukarooohi.com", "bounces@tsukarooohi.com", "info@tsukarooohi.com", From::keep},
    {"another of our domains", "a@example.org", "info@tsukarooohi.com", "a@example.org", "info@tsukarooohi.com", From::keep},
    {"below one of ours", "a@news.example.org", "b@shop.example.org", "a@news.example.org", "b@shop.example.org", From::keep},
    {"case", "A@Example.ORG", "B@EXAMPLE.org", "A@Example.ORG", "B@EXAMPLE.org", From::keep},
    {"trailing dot", "A@Example.ORG", "B@EXAMPLE.org.", "A@Example.ORG", "B@EXAMPLE.org", From::address,
     "rewrote From B@EXAMPLE.org. -> B@EXAMPLE.org"},
    {"VERP", "b+ann=gmail.com@example.org", "n@example.org", "b+ann=gmail.com@example.org", "n@example.org", From::keep},
    {"quoted local part with an @", "\"a@b\"@example.org", "n@example.org", "\"a@b\"@example.org", "n@example.org", From::keep},
    {"letters that are another way to write ours", "a@\xef\xbd\x85xample.org", "b@\xef\xbd\x85xample.org", "a@example.org",
     "b@\xef\xbd\x85xample.org", From::keep, "sender a@\xef\xbd\x85xample.org -> a@example.org"},
    // No -f: From, then the default.
    {"derived from letters that are another way to write ours", kNotAsked, "b@\xef\xbd\x85xample.org", "b@example.org",
     "b@\xef\xbd\x85xample.org", From::keep},
    {"derived from From (WordPress)", kNotAsked, "wordpress@tsukarooohi.com", "wordpress@tsukarooohi.com", "wordpress@tsukarooohi.com",
     From::keep},
    {"nothing at all (PHP's mail())", kNotAsked, "", "httpd@tsukarooohi.com", "httpd@tsukarooohi.com", From::made},
    {"nothing, but a mapping (SD-17)", kNotAsked, "", "wordpress@tsukarooohi.com", "wordpress@tsukarooohi.com", From::made, "", kRewrite,
     "wordpress@tsukarooohi.com"},
    {"no From, -f ours", "shop@example.org", "", "shop@example.org", "shop@example.org", From::made},
    {"no From, -f of the machine", "shop@localhost", "", "shop@tsukarooohi.com", "shop@tsukarooohi.com", From::made,
     "sender shop@localhost -> shop@tsukarooohi.com"},
    {"no From, -f of somebody else", "x@gmail.com", "", "httpd@tsukarooohi.com", "httpd@tsukarooohi.com", From::made,
     "sender x@gmail.com -> httpd@tsukarooohi.com"},
    // Names of this machine never leave it.
    {"field report 0", kNotAsked, "httpd@kusanagi71.localdomain", "httpd@tsukarooohi.com", "httpd@tsukarooohi.com", From::domain,
     "rewrote From httpd@kusanagi71.localdomain -> httpd@tsukarooohi.com"},
    {"field report 0, with a mapping", kNotAsked, "httpd@kusanagi71.localdomain", "wordpress@tsukarooohi.com", "wordpress@tsukarooohi.com",
     From::address, "rewrote From httpd@kusanagi71.localdomain -> wordpress@tsukarooohi.com", kRewrite, "wordpress@tsukarooohi.com"},
    {"field report 0, after its repair", "httpd@email.tsukarooohi.com", "httpd@email.tsukarooohi.com", "httpd@tsukarooohi.com",
     "httpd@tsukarooohi.com", From::domain,
     "sender httpd@email.tsukarooohi.com -> httpd@tsukarooohi.com, rewrote From httpd@email.tsukarooohi.com -> httpd@tsukarooohi.com"},
    {"-f of the machine, From ours", "httpd@kusanagi71.localdomain", "info@example.org", "info@example.org", "info@example.org", From::keep,
     "sender httpd@kusanagi71.localdomain -> info@example.org"},
    {"-f ours, From of the machine", "a@example.org", "wordpress@localhost", "a@example.org", "wordpress@tsukarooohi.com", From::domain,
     "rewrote From wordpress@localhost -> wordpress@tsukarooohi.com"},
    {"a chosen name keeps its local part in spite of a mapping", kNotAsked, "wordpress@localhost", "wordpress@tsukarooohi.com",
     "wordpress@tsukarooohi.com", From::domain, "rewrote From wordpress@localhost -> wordpress@tsukarooohi.com", kRewrite,
     "info@tsukarooohi.com"},
    {"container id", "root@3f2a9c1b7d44", "root@3f2a9c1b7d44", "root@tsukarooohi.com", "root@tsukarooohi.com", From::domain,
     "sender root@3f2a9c1b7d44 -> root@tsukarooohi.com, rewrote From root@3f2a9c1b7d44 -> root@tsukarooohi.com", kRewrite, "", "root"},
    {"single label", kNotAsked, "x@web3", "x@tsukarooohi.com", "x@tsukarooohi.com", From::domain, "rewrote From x@web3 -> x@tsukarooohi.com"},
    {"bare names: Debian's cron (SM-50)", "root", "root", "root@tsukarooohi.com", "root@tsukarooohi.com", From::domain,
     "sender root -> root@tsukarooohi.com, rewrote From root -> root@tsukarooohi.com", kRewrite, "", "root"},
    {"address literal", kNotAsked, "x@[127.0.0.1]", "x@tsukarooohi.com", "x@tsukarooohi.com", From::domain,
     "rewrote From x@[127.0.0.1] -> x@tsukarooohi.com"},
    {"the hoster's name for it", kNotAsked, "x@vps4711.hoster.net", "x@tsukarooohi.com", "x@tsukarooohi.com", From::domain,
     "rewrote From x@vps4711.hoster.net -> x@tsukarooohi.com"},
    {"a private network's name", kNotAsked, "x@nas.home.arpa", "x@tsukarooohi.com", "x@tsukarooohi.com", From::domain,
     "rewrote From x@nas.home.arpa -> x@tsukarooohi.com"},
    {"both of the machine, differing", "a@localhost", "b@localhost", "a@tsukarooohi.com", "b@tsukarooohi.com", From::domain,
     "sender a@localhost -> a@tsukarooohi.com, rewrote From b@localhost -> b@tsukarooohi.com"},
    {"keep does not keep the machine's", "a@localhost", "b@localhost", "a@tsukarooohi.com", "b@tsukarooohi.com", From::domain,
     "sender a@localhost -> a@tsukarooohi.com, rewrote From b@localhost -> b@tsukarooohi.com", kKeep},
    {"-f that is no address", "a\r\nRCPT TO:<x>@example.org", "info@example.org", "info@example.org", "info@example.org", From::keep,
     "sender a\\x0d\\x0aRCPT TO:<x>@example.org -> info@example.org"},
    {"-f with a space, kept by nobody", "a b@gmail.com", "", "httpd@tsukarooohi.com", "httpd@tsukarooohi.com", From::made,
     "sender a b@gmail.com -> httpd@tsukarooohi.com", kKeep},
    {"a local part too long for an envelope", kNotAsked, "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggggggggg@example.org",
     "httpd@tsukarooohi.com", "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggggggggg@example.org", From::keep},
    {"a user who makes no local part", kNotAsked, "", "postmaster@tsukarooohi.com", "postmaster@tsukarooohi.com", From::made, "", kRewrite, "",
     "web user"},
    {"a user passwd does not know", kNotAsked, "", "uid1001@tsukarooohi.com", "uid1001@tsukarooohi.com", From::made, "", kRewrite, "", "uid1001"},
    {"a client without a name", "root@web3", "", "root@tsukarooohi.com", "root@tsukarooohi.com", From::made,
     "sender root@web3 -> root@tsukarooohi.com", kRewrite, "", ""},
    // Contact forms.
    {"the visitor in From", kNotAsked, "visitor@gmail.com", "httpd@tsukarooohi.com", "httpd@tsukarooohi.com", From::on_behalf,
     "rewrote From visitor@gmail.com -> httpd@tsukarooohi.com, added Reply-To"},
    {"and a Reply-To", kNotAsked, "visitor@gmail.com", "httpd@tsukarooohi.com", "httpd@tsukarooohi.com", From::on_behalf,
     "rewrote From visitor@gmail.com -> httpd@tsukarooohi.com", kRewrite, "", "httpd", "", true},
    {"the visitor in both", "visitor@gmail.com", "visitor@gmail.com", "httpd@tsukarooohi.com", "httpd@tsukarooohi.com", From::on_behalf,
     "sender visitor@gmail.com -> httpd@tsukarooohi.com, rewrote From visitor@gmail.com -> httpd@tsukarooohi.com, added Reply-To"},
    {"-f ours speaks for him", "form@tsukarooohi.com", "visitor@gmail.com", "form@tsukarooohi.com", "form@tsukarooohi.com", From::on_behalf,
     "rewrote From visitor@gmail.com -> form@tsukarooohi.com, added Reply-To"},
    {"Sender ours speaks for him", kNotAsked, "visitor@gmail.com", "form@tsukarooohi.com", "form@tsukarooohi.com", From::on_behalf,
     "rewrote From visitor@gmail.com -> form@tsukarooohi.com, added Reply-To", kRewrite, "", "httpd", "form@tsukarooohi.com"},
    {"the site's address speaks for him", "bounce+77@tsukarooohi.com", "visitor@gmail.com", "bounce+77@tsukarooohi.com",
     "info@tsukarooohi.com", From::on_behalf, "rewrote From visitor@gmail.com -> info@tsukarooohi.com, added Reply-To", kRewrite,
     "info@tsukarooohi.com"},
    {"-f of the machine speaks for him", "shop@web3", "visitor@gmail.com", "shop@tsukarooohi.com", "shop@tsukarooohi.com", From::on_behalf,
     "sender shop@web3 -> shop@tsukarooohi.com, rewrote From visitor@gmail.com -> shop@tsukarooohi.com, added Reply-To"},
    {"a name that only looks like ours", kNotAsked, "x@nottsukarooohi.com", "httpd@tsukarooohi.com", "httpd@tsukarooohi.com",
     From::on_behalf, "rewrote From x@nottsukarooohi.com -> httpd@tsukarooohi.com, added Reply-To"},
    {"-f of the visitor, From ours", "visitor@gmail.com", "info@tsukarooohi.com", "info@tsukarooohi.com", "info@tsukarooohi.com", From::keep,
     "sender visitor@gmail.com -> info@tsukarooohi.com"},
    {"keep", "visitor@gmail.com", "visitor@gmail.com", "visitor@gmail.com", "visitor@gmail.com", From::keep, "", kKeep},
    {"keep, -f of somebody else", "till@shop.test", "info@tsukarooohi.com", "till@shop.test", "info@tsukarooohi.com", From::keep, "", kKeep},
    {"keep, derived", kNotAsked, "visitor@gmail.com", "httpd@tsukarooohi.com", "visitor@gmail.com", From::keep, "", kKeep},
    // The null sender stays, From must be ours all the same.
    {"null sender", "", "info@tsukarooohi.com", "", "info@tsukarooohi.com", From::keep},
    {"null sender, From of the machine", "", "MAILER-DAEMON@localhost", "", "MAILER-DAEMON@tsukarooohi.com", From::domain,
     "rewrote From MAILER-DAEMON@localhost -> MAILER-DAEMON@tsukarooohi.com"},
    {"null sender, From of somebody else", "", "v@gmail.com", "", "httpd@tsukarooohi.com", From::on_behalf,
     "rewrote From v@gmail.com -> httpd@tsukarooohi.com, added Reply-To"},
    {"null sender, no From", "", "", "", "httpd@tsukarooohi.com", From::made},
    // Sender is shown to readers as well.
    {"Sender ours", kNotAsked, "info@tsukarooohi.com", "info@tsukarooohi.com", "info@tsukarooohi.com", From::keep, "", kRewrite, "", "httpd",
     "a@example.org"},
    {"Sender of the machine", kNotAsked, "info@tsukarooohi.com", "info@tsukarooohi.com", "info@tsukarooohi.com", From::keep,
     "removed Sender httpd@kusanagi71.localdomain", kRewrite, "", "httpd", "httpd@kusanagi71.localdomain"},
    {"Sender of somebody else", kNotAsked, "info@tsukarooohi.com", "info@tsukarooohi.com", "info@tsukarooohi.com", From::keep,
     "removed Sender x@gmail.com", kRewrite, "", "httpd", "x@gmail.com"},
    {"Sender of somebody else, kept", kNotAsked, "info@tsukarooohi.com", "info@tsukarooohi.com", "info@tsukarooohi.com", From::keep, "",
     kKeep, "", "httpd", "x@gmail.com"},
};

SenderDecision decide(const Case& one) {
    const SenderPolicy policy = policy_of(one.foreign, one.address);
    const auto from = mailbox(one.from), sender = mailbox(one.sender);
    SenderClaim claim;
    claim.asked = std::string_view(one.asked) != kNotAsked;
    if (claim.asked) claim.reverse_path = one.asked;
    claim.from = from ? &*from : nullptr;
    claim.sender = sender ? &*sender : nullptr;
    claim.has_reply_to = one.has_reply_to;
    claim.user = one.user;
    return decide_sender(policy, claim);
}

std::string joined(const std::vector<std::string>& words) {
    std::string all;
    for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
    return all;
}

TEST(SenderPolicy, DecidesEachCaseAsTheTableSays) {
    static_assert(std::size(kCases) >= 40);
    for (const Case& one : kCases) {
        SCOPED_TRACE(one.what);
        const SenderDecision decision = decide(one);
        EXPECT_EQ(decision.refusal, "");
        EXPECT_EQ(decision.reverse_path, one.path);
        EXPECT_EQ(decision.from_address, one.author);
        EXPECT_EQ(decision.from, one.how);
        EXPECT_EQ(joined(decision.done), one.done);
        EXPECT_EQ(decision.drop_sender, std::string_view(one.done).find("removed Sender") != std::string_view::npos);
        EXPECT_EQ(decision.reply_to, std::string_view(one.done).find("added Reply-To") != std::string_view::npos);
    }
}

// SD-2, SD-4: whatever a program says, nothing leaves but as one of our domains, or as somebody whom `keep` lets through.
TEST(SenderPolicy, NothingLeavesAsThisMachine) {
    const char* const said[] = {"httpd@kusanagi71.localdomain", "root@localhost", "x@3f2a9c1b7d44", "root", "v@gmail.com", "a@tsukarooohi.com",
                                "a@x.example.org", "a@web.local", "a@[::1]", "a@", "\"a b\"@localhost", "a@nas.lan", ""};
    for (const ForeignFrom foreign : {ForeignFrom::rewrite, ForeignFrom::keep}) {
        const SenderPolicy policy = policy_of(foreign);
        for (const char* asked : said) {
            for (const char* from : said) {
                SCOPED_TRACE(std::string(asked) + " / " + from);
                Case one{"", asked, from, "", "", From::keep};
                one.foreign = foreign;
                const SenderDecision decision = decide(one);
                const auto domain = [](const std::string& address) { return address.substr(address.rfind('@') + 1); };
                const Standing author = standing_of(policy, domain(decision.from_address));
                EXPECT_TRUE(author == Standing::ours || (foreign == ForeignFrom::keep && author == Standing::foreign));
                if (!decision.reverse_path.empty()) {
                    const Standing path = standing_of(policy, domain(decision.reverse_path));
                    EXPECT_TRUE(path == Standing::ours || (foreign == ForeignFrom::keep && path == Standing::foreign)) << decision.reverse_path;
                }
            }
        }
    }
}

TEST(SenderPolicy, RefusesSomebodyElsesFromWhereThatIsWished) {
    Case one{"", kNotAsked, "visitor@gmail.com", "", "", From::keep};
    one.foreign = ForeignFrom::refuse;
    EXPECT_EQ(decide(one).refusal,
              "The From address visitor@gmail.com is not of tsukarooohi.com or 1 more of our domains; put an address of ours into From and the "
              "other into Reply-To");
    one.from = "httpd@kusanagi71.localdomain";   // a repair, not a forgery
    EXPECT_EQ(decide(one).refusal, "");
    one.from = "info@example.org";
    one.asked = "visitor@gmail.com";             // SM-3: a sender that is not ours never fails the mail
    EXPECT_EQ(decide(one).refusal, "");
    EXPECT_EQ(decide(one).reverse_path, "info@example.org");
}

TEST(SenderPolicy, NamesTheVisitorAndTheCaller) {
    const SenderPolicy policy = policy_of(ForeignFrom::rewrite);
    const auto visitor = mailbox("visitor@gmail.com", "Anna Visitor"), nameless = mailbox("visitor@gmail.com");
    SenderClaim claim;
    claim.asked = false;
    claim.user = "httpd";
    claim.full_name = "Apache";
    claim.from = &*visitor;
    EXPECT_EQ(decide_sender(policy, claim).from_display, "Anna Visitor");
    claim.from = &*nameless;
    EXPECT_EQ(decide_sender(policy, claim).from_display, "visitor");
    claim.from = nullptr;   // SM-4, SM-23
    EXPECT_EQ(decide_sender(policy, claim).from_display, "Apache");
}

TEST(SenderPolicy, KnowsTheNamesOfMachines) {
    for (const char* name : {"localhost", "web3", "3f2a9c1b7d44", "kusanagi71.localdomain", "LOCALHOST.LocalDomain", "x.local", "a.b.internal",
                             "nas.lan", "x.home.arpa", "[127.0.0.1]", "[IPv6:::1]", "localhost.", "x.invalid", ""})
        EXPECT_TRUE(is_machine_name(name)) << name;
    for (const char* name : {"example.com", "local.example.com", "localhost.example.com", "home.arpa.example", "arpa.com", "gmail.com"})
        EXPECT_FALSE(is_machine_name(name)) << name;
    SenderPolicy policy = policy_of(ForeignFrom::rewrite, "", {"corp.internal"});
    EXPECT_EQ(standing_of(policy, "corp.internal"), Standing::ours);   // the operator said so
    EXPECT_EQ(standing_of(policy, "other.internal"), Standing::machine);
}

Sites::Facts facts() {
    Sites::Facts facts;
    facts.domains = {"a.example", "b.example"};
    facts.machine_names = {"mail.a.example", "LOCALHOST"};
    facts.hostname = "mail.a.example";
    return facts;
}

SiteOptions site(std::string name, std::vector<std::string> users, std::vector<std::string> domains) {
    SiteOptions site;
    site.name = std::move(name);
    site.users = std::move(users);
    site.domains = std::move(domains);
    return site;
}

Caller caller(std::string user, std::uint32_t uid, std::string door = "/run/posthorn/submission.sock") {
    Caller caller;
    caller.user = std::move(user);
    caller.uid = uid;
    caller.door = std::move(door);
    return caller;
}

TEST(Sites, AreFoundByDoorThenUserThenEverybody) {
    SiteOptions container = site("container", {}, {"b.example"});
    container.socket = "/run/c.sock";
    container.spool = "/var/spool/c";
    const Sites sites(SenderOptions{}, {site("one", {"www-one", "1002"}, {"a.example"}), container, site("rest", {"*"}, {})}, facts());
    EXPECT_EQ(sites.of(caller("www-one", 33))->site, "one");
    EXPECT_EQ(sites.of(caller("uid1002", 1002))->site, "one");
    EXPECT_EQ(sites.of(caller("www-one", 33, "/run/c.sock"))->site, "container");
    EXPECT_EQ(sites.of(caller("root", 0, "/var/spool/c"))->site, "container");
    EXPECT_EQ(sites.of(caller("root", 0))->site, "rest");
    EXPECT_EQ(sites.of(caller("1002x", 7))->site, "rest");
    EXPECT_EQ(standing_of(*sites.of(caller("www-one", 33)), "b.example"), Standing::foreign);
    const Sites none(SenderOptions{}, {}, facts());
    EXPECT_EQ(none.of(caller("root", 0))->site, "");
    EXPECT_EQ(none.of(caller("root", 0))->domains, (std::vector<std::string>{"a.example", "b.example"}));
    EXPECT_EQ(Sites().of(caller("root", 0)), nullptr);
}

// SD-52: /etc/mailname counts when somebody made a [[domain]] of it; else it is one more name of the machine.
TEST(Sites, CompleteNamesWithTheDomainThatWasChosen) {
    Sites::Facts with = facts();
    const auto first = [&] { return Sites(SenderOptions{}, {}, with).of(caller("root", 0))->domains.front(); };
    EXPECT_EQ(first(), "a.example");
    with.mailname = "B.example";
    EXPECT_EQ(first(), "b.example");
    with.mailname = "web1.a.example";
    EXPECT_EQ(first(), "a.example");
    EXPECT_EQ(standing_of(*Sites(SenderOptions{}, {}, with).of(caller("root", 0)), "web1.a.example"), Standing::machine);
    with.qualify_domain = "mail.b.example";
    EXPECT_EQ(first(), "mail.b.example");
    with.qualify_domain = "other.example";   // not ours: it would not be signed
    EXPECT_EQ(first(), "a.example");

    SiteOptions mapped = site("mapped", {"httpd"}, {});
    mapped.sender = "wordpress@b.example";
    const Sites sites(SenderOptions{}, {mapped}, facts());
    EXPECT_EQ(sites.of(caller("httpd", 48))->domains, (std::vector<std::string>{"b.example", "a.example"}));
}

TEST(Sites, AHostnameThatIsADomainIsOurs) {
    Sites::Facts with = facts();
    with.domains = {"mail.a.example"};
    EXPECT_EQ(standing_of(*Sites(SenderOptions{}, {}, with).of(caller("root", 0)), "mail.a.example"), Standing::ours);
    EXPECT_EQ(standing_of(*Sites(SenderOptions{}, {}, facts()).of(caller("root", 0)), "mail.a.example"), Standing::machine);
}

TEST(Sites, ClientsOverTcpFollowTheirOwnSetting) {
    EXPECT_EQ(Sites(SenderOptions{}, {}, facts()).of_clients()->foreign, ForeignFrom::rewrite);
    SenderOptions options;
    options.clients_from = ForeignFrom::keep;
    EXPECT_EQ(Sites(options, {}, facts()).of_clients()->foreign, ForeignFrom::keep);
    EXPECT_EQ(Sites(options, {}, facts()).of(caller("root", 0))->foreign, ForeignFrom::rewrite);
}

// Without a [[domain]] nothing is known to be ours: names get the hostname, and nobody's address is taken from him.
TEST(Sites, WithoutADomainOnlyNamesAreCompleted) {
    Sites::Facts with = facts();
    with.domains.clear();
    const Sites sites(SenderOptions{}, {}, with);
    EXPECT_EQ(sites.of_clients(), nullptr);
    const SenderPolicy& policy = *sites.of(caller("root", 0));
    EXPECT_EQ(policy.domains, std::vector<std::string>{"mail.a.example"});
    EXPECT_EQ(policy.foreign, ForeignFrom::keep);
}

TEST(Caller, TellsTheOperatorWhoItWas) {
    Caller caller;
    caller.uid = 33;
    caller.user = "www-data";
    caller.pid = 900;
    EXPECT_EQ(origin_of(caller), "uid=33 user=www-data pid=900");
    read_claim("pid=812;cmd=php-fpm: pool www; x=\"1\"\r\n", caller);
    caller.script = "12:mailer.php";
    EXPECT_EQ(origin_of(caller), "uid=33 user=www-data pid=812 script=12:mailer.php cmd=\"php-fpm: pool www; x='1'\"");
    EXPECT_EQ(source_of(caller), "uid=33");
    EXPECT_EQ(nameless(33), "uid33");
}

TEST(Caller, ReadsClaimsThatMakeNoSense) {
    for (const char* claim : {"", ";;;", "pid=", "pid=99999999999999999999", "pid=-1", "x", "cmd="}) {
        Caller caller;
        read_claim(claim, caller);
        EXPECT_EQ(caller.caller_pid, 0) << claim;
        EXPECT_EQ(caller.command, "") << claim;
    }
}

}  // namespace
}  // namespace posthorn::intake
