// The resolver behind a validating unbound and an nsd with signed, unsigned and damaged zones
// (tests/support/posthorn_test/dnssec.py).
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>

#include "dns/resolver.hpp"
#include "support/run_awaitable.hpp"

namespace posthorn::dns {
namespace {

namespace asio = net::asio;
using net::awaitable;

constexpr const char* kZones =
    R"({"zones": {)"
    R"("signed.test": "@ MX 10 mx\nmx A 192.0.2.1\nmx AAAA 2001:db8::1\n_25._tcp.mx TLSA 3 1 1 abababababababababababababababababababababababababababababababab\n)"
    R"(inside CNAME mx\noutside CNAME mx.plain.test.\n_25._tcp.inside CNAME _25._tcp.mx\nspoiled A 192.0.2.9\n_25._tcp.spoiled TLSA 3 1 1 00\nspoiltalias CNAME mx.plain.test.",)"
    R"("plain.test": "@ MX 10 mx\nmx A 192.0.2.2\n_25._tcp.mx TLSA 3 1 1 cdcd\ninto CNAME mx.signed.test.",)"
    R"("damaged.test": "@ MX 10 mx\nmx A 192.0.2.3"},)"
    R"("insecure": ["plain.test"], "bogus": ["damaged.test", "_25._tcp.spoiled.signed.test", "spoiltalias.signed.test"]})";

// The program of the zones; it ends when its input does.
class SignedZones {
public:
    SignedZones() {
        int in[2];
        int out[2];
        if (::pipe(in) != 0 || ::pipe(out) != 0) throw std::runtime_error("pipe");
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(in[0], 0);
            ::dup2(out[1], 1);
            for (const int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
            ::setenv("PYTHONPATH", POSTHORN_SOURCE_DIR "/tests/support", 1);
            ::setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
            ::unsetenv("LD_PRELOAD");
            ::execl("/usr/bin/python3", "python3", "-m", "posthorn_test.dnssec", static_cast<char*>(nullptr));
            ::_exit(127);
        }
        ::close(in[0]);
        ::close(out[1]);
        to_ = in[1];
        const std::string line = std::string(kZones) + "\n";
        std::string said;
        if (::write(to_, line.data(), line.size()) == static_cast<ssize_t>(line.size())) {
            for (char c = 0; ::read(out[0], &c, 1) == 1 && c != '\n';) said += c;
        }
        ::close(out[0]);
        const std::size_t at = said.find("\"port\": ");
        if (at == std::string::npos) throw std::runtime_error("the signed zones do not start (see above)");
        options.servers.push_back(
            Endpoint{"127.0.0.1", static_cast<std::uint16_t>(std::atoi(said.c_str() + at + 8)), {}});
        options.trust_ad = true;
    }
    ~SignedZones() {
        ::close(to_);
        ::waitpid(pid_, nullptr, 0);
    }
    SignedZones(const SignedZones&) = delete;
    SignedZones& operator=(const SignedZones&) = delete;

    DnsOptions options;

private:
    pid_t pid_ = -1;
    int to_ = -1;
};

class SignedDns : public ::testing::Test {
protected:
    static void SetUpTestSuite() { zones_ = std::make_unique<SignedZones>(); }
    static void TearDownTestSuite() { zones_.reset(); }

    template <class F>
    static void with_resolver(F f) {
        test::run([&](asio::io_context& context) -> awaitable<void> {
            auto resolver = Resolver::create(context.get_executor(), zones_->options);
            if (!resolver) throw std::runtime_error(resolver.error().what);
            co_await f(**resolver);
        });
    }

    static std::unique_ptr<SignedZones> zones_;
};
std::unique_ptr<SignedZones> SignedDns::zones_;

TEST_F(SignedDns, MxOfSignedUnsignedAndDamagedZones) {  // DA-1, DA-2, DA-4
    with_resolver([](Resolver& resolver) -> awaitable<void> {
        const MxAnswer secure = co_await resolver.mx("signed.test");
        EXPECT_EQ(secure.status, Status::ok) << secure.detail;
        EXPECT_TRUE(secure.authenticated);
        const MxAnswer plain = co_await resolver.mx("plain.test");
        EXPECT_EQ(plain.status, Status::ok) << plain.detail;
        EXPECT_FALSE(plain.authenticated);
        const MxAnswer damaged = co_await resolver.mx("damaged.test");
        EXPECT_EQ(damaged.status, Status::temporary);
        EXPECT_NE(damaged.detail.find("SERVFAIL"), std::string::npos) << damaged.detail;
        EXPECT_FALSE(damaged.local_shortage);
        const MxAnswer none = co_await resolver.mx("none.signed.test");
        EXPECT_EQ(none.status, Status::nxdomain);
    });
}

TEST_F(SignedDns, WithoutTrustNothingIsAuthenticated) {  // DA-1
    test::run([&](asio::io_context& context) -> awaitable<void> {
        DnsOptions options = zones_->options;
        options.trust_ad = false;
        auto resolver = Resolver::create(context.get_executor(), options);
        if (!resolver) throw std::runtime_error(resolver.error().what);
        const MxAnswer secure = co_await (*resolver)->mx("signed.test");
        EXPECT_EQ(secure.status, Status::ok) << secure.detail;
        EXPECT_FALSE(secure.authenticated);
    });
}

TEST_F(SignedDns, TlsaRecordsAndTheirAbsence) {  // DA-5, DA-6
    with_resolver([](Resolver& resolver) -> awaitable<void> {
        const TlsaAnswer found = co_await resolver.tlsa("_25._tcp.mx.signed.test");
        EXPECT_EQ(found.status, Status::ok) << found.detail;
        EXPECT_TRUE(found.authenticated);
        const std::vector<TlsaRecord> expected(1, TlsaRecord(3, 1, 1, std::string(32, '\xab')));
        EXPECT_EQ(found.records, expected);
        const TlsaAnswer alias = co_await resolver.tlsa("_25._tcp.inside.signed.test");
        EXPECT_TRUE(alias.authenticated);
        EXPECT_EQ(alias.cname_target, "_25._tcp.mx.signed.test");
        EXPECT_EQ(alias.records, expected);
        const TlsaAnswer none = co_await resolver.tlsa("_26._tcp.mx.signed.test");
        EXPECT_EQ(none.status, Status::nxdomain);
        EXPECT_TRUE(none.authenticated);
        const TlsaAnswer plain = co_await resolver.tlsa("_25._tcp.mx.plain.test");
        EXPECT_EQ(plain.status, Status::ok);
        EXPECT_FALSE(plain.authenticated);
        const TlsaAnswer spoiled = co_await resolver.tlsa("_25._tcp.spoiled.signed.test");
        EXPECT_EQ(spoiled.status, Status::temporary);
    });
}

// RFC 7672 s2.2: which name is the TLSA base domain depends on how far the chain of CNAMEs is signed.
TEST_F(SignedDns, AddressesByAliases) {  // DA-7
    with_resolver([](Resolver& resolver) -> awaitable<void> {
        const AddressAnswer direct = co_await resolver.addresses("mx.signed.test");
        EXPECT_EQ(direct.status, Status::ok) << direct.detail;
        EXPECT_TRUE(direct.authenticated);
        EXPECT_EQ(direct.all().size(), 2U);
        EXPECT_EQ(direct.cname_target, "");
        EXPECT_FALSE(direct.alias_authenticated);
        const AddressAnswer inside = co_await resolver.addresses("inside.signed.test");
        EXPECT_TRUE(inside.authenticated);
        EXPECT_TRUE(inside.alias_authenticated);
        EXPECT_EQ(inside.cname_target, "mx.signed.test");
        const AddressAnswer outside = co_await resolver.addresses("outside.signed.test");
        EXPECT_EQ(outside.status, Status::ok) << outside.detail;
        EXPECT_FALSE(outside.authenticated);
        EXPECT_TRUE(outside.alias_authenticated);
        EXPECT_EQ(outside.cname_target, "mx.plain.test");
        const AddressAnswer into = co_await resolver.addresses("into.plain.test");
        EXPECT_FALSE(into.authenticated) << "one insecure link makes the whole chain insecure";
        EXPECT_FALSE(into.alias_authenticated);
        EXPECT_EQ(into.cname_target, "mx.signed.test");
        const AddressAnswer plain = co_await resolver.addresses("mx.plain.test");
        EXPECT_EQ(plain.status, Status::ok);
        EXPECT_FALSE(plain.authenticated);
        const AddressAnswer damaged = co_await resolver.addresses("mx.damaged.test");
        EXPECT_EQ(damaged.status, Status::temporary);
        const AddressAnswer spoiled = co_await resolver.addresses("spoiltalias.signed.test");
        EXPECT_EQ(spoiled.status, Status::temporary);
    });
}

}  // namespace
}  // namespace posthorn::dns
