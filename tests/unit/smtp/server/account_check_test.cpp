// What the account of a system user says: limits by name and number, apart from those of a login, and suspensions for both.
#include "smtp/server/account_check.hpp"

#include <gtest/gtest.h>

namespace posthorn::smtp::server {
namespace {

using namespace std::chrono_literals;

const SteadyTime kNow{std::chrono::hours(1000)};
const SystemUser kWww{33, "www-data"};

auth::AccountOptions limits(std::string name, std::uint32_t messages, std::uint32_t recipients) {
    auth::AccountOptions options;
    options.name = std::move(name);
    options.messages_per_hour = messages;
    options.recipients_per_hour = recipients;
    return options;
}

class SystemAccount : public ::testing::Test {
protected:
    AccountCheck check(const SystemUser& user) { return AccountCheck(accounts_, allowances_, &suspensions_, user); }
    AccountCheck login(std::string_view name) { return AccountCheck(accounts_, allowances_, &suspensions_, name); }
    void use(const auth::AuthOptions& options) { accounts_ = auth::Accounts(options); }

    auth::Accounts accounts_;
    auth::Allowances allowances_;
    auth::Suspensions suspensions_;
};

TEST_F(SystemAccount, IsLimitedByNameElseNumberElseAsAll) {
    auth::AuthOptions options;
    options.system_account = limits("", 2, 100);
    options.system_accounts = {limits("www-data", 1, 100), limits("1001", 3, 100)};
    use(options);
    const auto granted = [&](const SystemUser& user) {
        int count = 0;
        while (!check(user).at_data(1, kNow)) ++count;
        return count;
    };
    EXPECT_EQ(granted(kWww), 1);
    EXPECT_EQ(granted({1001, "uid1001"}), 3);
    EXPECT_EQ(granted({0, "root"}), 2);
    EXPECT_EQ(granted({65534, "nobody"}), 2);  // each has his own
}

TEST_F(SystemAccount, IsToldWhenToComeBack) {
    auth::AuthOptions options;
    options.system_account = limits("", 2, 100);
    use(options);
    EXPECT_FALSE(check(kWww).at_data(1, kNow));
    EXPECT_FALSE(check(kWww).at_data(1, kNow));
    const auto refusal = check(kWww).at_recipient(1, kNow);
    ASSERT_TRUE(refusal && refusal->overrun);
    EXPECT_EQ(refusal->reply.joined(), "450 4.7.1 This account may send 2 messages an hour; try again in 30 minutes");
    EXPECT_EQ(refusal->overrun->wait, 30min);
    EXPECT_FALSE(check(kWww).at_recipient(1, kNow + 30min));
}

// AUTH-9. A login and a system user of one name are two people as far as counts go: neither can use up what the other has.
TEST_F(SystemAccount, ALoginOfItsNameHasItsOwnAllowance) {
    auth::AuthOptions options;
    options.account = options.system_account = limits("", 1, 100);
    use(options);
    EXPECT_FALSE(login("www-data").at_data(1, kNow));
    EXPECT_FALSE(check(kWww).at_data(1, kNow));
    EXPECT_TRUE(login("www-data").at_data(1, kNow));
    EXPECT_TRUE(check(kWww).at_data(1, kNow));
}

TEST_F(SystemAccount, IsSuspendedByNameAndByNumber) {
    EXPECT_FALSE(check(kWww).suspended());
    suspensions_.add("www-data", {});  // known by name only
    EXPECT_TRUE(check(kWww).suspended());
    EXPECT_FALSE(check({34, "backup"}).suspended());
    suspensions_.remove("www-data");
    suspensions_.add("33", {TimePoint{}, "", 33});
    EXPECT_TRUE(check(kWww).suspended());
    EXPECT_TRUE(check({33, "uid33"}).suspended());
    EXPECT_TRUE(check(kWww).at_data(1, kNow)->suspended);
    EXPECT_EQ(check(kWww).at_recipient(1, kNow)->reply.code, 550);
    EXPECT_FALSE(login("www-data").suspended());
}

TEST_F(SystemAccount, AnybodyMayBeInItsEnvelope) {
    EXPECT_FALSE(check(kWww).at_mail(mail::Address{"anybody", "example.org"}, kNow));
}

}  // namespace
}  // namespace posthorn::smtp::server
