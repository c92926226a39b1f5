// What proof costs: body hashes, signatures, tokens, passwords.
#include <benchmark/benchmark.h>

#include <random>
#include <string>

#include "auth/credentials.hpp"
#include "auth/dkim/signer.hpp"
#include "auth/unsubscribe.hpp"

namespace posthorn::auth {
namespace {

using dkim::Algorithm;
using dkim::PrivateKey;

// Words of two to nine letters in lines of some 72 octets; every 50th gap is two blanks.
std::string text_body(std::size_t size) {
    std::mt19937 random(1);
    std::string body, line;
    while (body.size() < size) {
        line += std::string(2 + random() % 8, char('a' + random() % 26));
        if (line.size() < 70) {
            line += random() % 50 == 0 ? "  " : " ";
        } else {
            body += line + "\r\n";
            line.clear();
        }
    }
    return body;
}

std::string base64_body(std::size_t size) {
    std::string body;
    while (body.size() < size) body += std::string(76, 'Q') + "\r\n";
    return body;
}

const std::string kHeader =
    "Received: from web (localhost [127.0.0.1]) by mail.example.com with ESMTPSA id 0123456789;\r\n"
    "\tFri, 21 Nov 2026 20:00:00 +0000\r\n"
    "From: Example Shop <shop@example.com>\r\nTo: Jane Doe <jane.doe@example.net>\r\n"
    "Subject: =?UTF-8?Q?Ihre_Bestellung_ist_unterwegs?=\r\nDate: Fri, 21 Nov 2026 20:00:00 +0000\r\n"
    "Message-ID: <20261121200000.1234@example.com>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/alternative; boundary=\"b1_0123456789abcdef\"\r\nX-Mailer: PHPMailer 6.9\r\n";

void canonicalize(benchmark::State& state, const std::string& body, Canonical form) {
    std::string out;
    for (auto _ : state) {
        out.clear();
        dkim::BodyCanonicalizer canonicalizer(form);
        canonicalizer.write(body, out);
        canonicalizer.finish(out);
        benchmark::DoNotOptimize(out.data());
    }
    state.SetBytesProcessed(std::int64_t(state.iterations()) * std::int64_t(body.size()));
}
void canonical_relaxed_text(benchmark::State& state) {
    canonicalize(state, text_body(65536), Canonical::relaxed);
}
void canonical_relaxed_base64(benchmark::State& state) {
    canonicalize(state, base64_body(65536), Canonical::relaxed);
}
void canonical_simple_text(benchmark::State& state) {
    canonicalize(state, text_body(65536), Canonical::simple);
}
BENCHMARK(canonical_relaxed_text);
BENCHMARK(canonical_relaxed_base64);
BENCHMARK(canonical_simple_text);

void body_hash_relaxed(benchmark::State& state) {
    const auto body = text_body(std::size_t(state.range(0)));
    for (auto _ : state) benchmark::DoNotOptimize(dkim::hash_body(body, Canonical::relaxed));
    state.SetBytesProcessed(std::int64_t(state.iterations()) * std::int64_t(body.size()));
}
BENCHMARK(body_hash_relaxed)->Arg(4096)->Arg(1 << 20);

// Threads share one key, as the crypto pool does.
void sign(benchmark::State& state, const dkim::PrivateKeyPtr& key) {
    const dkim::SigningIdentity identity{"example.com",      "mail", key, Canonical::relaxed,
                                         Canonical::relaxed, {}};
    const auto hash = dkim::hash_body("body\r\n", Canonical::relaxed);
    const std::string_view header = kHeader;
    for (auto _ : state) benchmark::DoNotOptimize(dkim::sign({&header, 1}, hash, identity, TimePoint{}));
}
void sign_rsa_2048(benchmark::State& state) {
    static const auto key = *PrivateKey::generate(Algorithm::rsa, 2048);
    sign(state, key);
}
void sign_ed25519(benchmark::State& state) {
    static const auto key = *PrivateKey::generate(Algorithm::ed25519);
    sign(state, key);
}
BENCHMARK(sign_rsa_2048)->Threads(1)->Threads(2);
BENCHMARK(sign_ed25519);

void unsubscribe_token(benchmark::State& state) {
    const auto tokens = *UnsubscribeTokens::parse(std::string(64, 'a'), "key");
    for (auto _ : state)
        benchmark::DoNotOptimize(tokens.make("newsletter", "jane.doe@example.com", TimePoint{}));
}
BENCHMARK(unsubscribe_token);

void password_yescrypt(benchmark::State& state) {
    Credentials credentials(*UserFile::parse("joe:" + *make_hash("geheim"), "users"), Duration::zero());
    for (auto _ : state) benchmark::DoNotOptimize(credentials.verify("joe", "geheim", {}));
}
void password_cached(benchmark::State& state) {
    Credentials credentials(*UserFile::parse("joe:" + *make_hash("geheim"), "users"), std::chrono::hours(1));
    for (auto _ : state) benchmark::DoNotOptimize(credentials.verify("joe", "geheim", {}));
}
BENCHMARK(password_yescrypt)->Unit(benchmark::kMillisecond);
BENCHMARK(password_cached);

}  // namespace
}  // namespace posthorn::auth
