// DKIM keys: what can be read, what is refused with which words, and signatures that others made before us.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <thread>

#include "auth/dkim/key.hpp"
#include "auth/dkim/record.hpp"
#include "naive_dkim.hpp"
#include "rfc8463_example.hpp"
#include "temporary_folder.hpp"

namespace posthorn::auth::dkim {
namespace {

using testing::TemporaryFolder;
using testing::verify_octets;
namespace rfc8463 = testing::rfc8463;

std::string b_of(const std::string& signature_field) {
    return *base64_decode(testing::tags_of(signature_field)["b"]);
}

std::string text_of(const std::vector<std::uint8_t>& octets) {
    return {octets.begin(), octets.end()};
}

// A private key as other programs would write it.
std::string pem_of(EVP_PKEY* key, const char* pass_phrase = nullptr, bool pkcs1 = false) {
    BIO* bio = BIO_new(BIO_s_mem());
    const EVP_CIPHER* cipher = pass_phrase != nullptr ? EVP_aes_128_cbc() : nullptr;
    const auto* phrase = reinterpret_cast<const unsigned char*>(pass_phrase);
    const int length = pass_phrase != nullptr ? int(std::string_view(pass_phrase).size()) : 0;
    EXPECT_EQ(1,
              pkcs1 ? PEM_write_bio_PrivateKey_traditional(bio, key, cipher, phrase, length, nullptr, nullptr)
                    : PEM_write_bio_PrivateKey(bio, key, cipher, phrase, length, nullptr, nullptr));
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string pem(data, std::size_t(size));
    BIO_free(bio);
    return pem;
}

// Both schemes are deterministic: the same octets as in RFC 8463 A.3 must come out.
TEST(PrivateKey, SignsAsTheAuthorsOfRfc8463Did) {
    const auto ed25519 = PrivateKey::parse(rfc8463::kEd25519Key, "ed");
    const auto rsa = PrivateKey::parse(rfc8463::kRsaKey, "rsa");
    ASSERT_TRUE(ed25519) << ed25519.error().what;
    ASSERT_TRUE(rsa) << rsa.error().what;
    EXPECT_EQ((*ed25519)->public_base64(), rfc8463::kEd25519Public);
    const auto ed25519_data = testing::signed_data(rfc8463::kEd25519Signature, rfc8463::kHeader);
    const auto rsa_data = testing::signed_data(rfc8463::kRsaSignature, rfc8463::kHeader);
    EXPECT_EQ(text_of(*(*ed25519)->sign(ed25519_data)), b_of(rfc8463::kEd25519Signature));
    EXPECT_EQ(text_of(*(*rsa)->sign(rsa_data)), b_of(rfc8463::kRsaSignature));
}

TEST(PrivateKey, ReadsPkcs1AndPkcs8) {
    EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t(2048));
    const auto pkcs1 = pem_of(key, nullptr, true), pkcs8 = pem_of(key);
    EVP_PKEY_free(key);
    ASSERT_TRUE(pkcs1.starts_with("-----BEGIN RSA PRIVATE KEY"));
    ASSERT_TRUE(pkcs8.starts_with("-----BEGIN PRIVATE KEY"));
    const auto one = PrivateKey::parse(pkcs1, "one"),
               eight = PrivateKey::parse("words before\n" + pkcs8, "eight");
    ASSERT_TRUE(one && eight);
    EXPECT_EQ((*one)->bits(), 2048);
    EXPECT_EQ((*one)->algorithm(), Algorithm::rsa);
    EXPECT_TRUE((*one)->warnings().empty());
    EXPECT_EQ((*one)->public_base64(), (*eight)->public_base64());
    EXPECT_EQ(*(*one)->sign("data"), *(*eight)->sign("data"));
}

TEST(PrivateKey, RefusesWhatReceiversRefuse) {  // PR-7
    EVP_PKEY* weak = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t(1016));
    const auto key = PrivateKey::parse(pem_of(weak), "weak.pem");
    EVP_PKEY_free(weak);
    ASSERT_FALSE(key);
    EXPECT_NE(key.error().what.find("weak.pem: an RSA key of 1016 bits is refused"), std::string::npos)
        << key.error().what;
}

TEST(PrivateKey, WarnsOfWeakAndOfTooLargeKeys) {  // PR-7
    const auto weak = PrivateKey::parse(rfc8463::kRsaKey, "k");
    ASSERT_EQ((*weak)->warnings().size(), 1U);
    EXPECT_NE((*weak)->warnings()[0].find("1024 bits is weak"), std::string::npos);
}

TEST(PrivateKey, SaysWhyItCannotBeRead) {
    EVP_PKEY* ec = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
    const auto ec_pem = pem_of(ec), locked = pem_of(ec, "secret");
    EVP_PKEY_free(ec);
    const auto why = [](std::string_view pem) { return PrivateKey::parse(pem, "f").error().what; };
    EXPECT_NE(why(ec_pem).find("type EC cannot sign DKIM"), std::string::npos) << why(ec_pem);
    EXPECT_NE(why(locked).find("pass phrase"), std::string::npos) << why(locked);
    EXPECT_NE(why("").find("no PEM text"), std::string::npos);
    EXPECT_NE(
        why("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").find("no private key in it"),
        std::string::npos);
    EXPECT_NE(why("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").find("damaged"),
              std::string::npos);
    EXPECT_NE(why(std::string(rfc8463::kRsaKey).erase(300, 5)).find("damaged"), std::string::npos);
}

TEST(PrivateKey, LoadSaysWhatToDo) {
    TemporaryFolder folder;
    EXPECT_EQ(PrivateKey::load(folder.path("no.pem")).error().what,
              folder.path("no.pem") + " does not exist");
    const auto path = folder.write("open.pem", rfc8463::kEd25519Key, 0644);
    const auto key = PrivateKey::load(path);
    ASSERT_TRUE(key);
    ASSERT_EQ((*key)->warnings().size(), 1U);
    EXPECT_NE((*key)->warnings()[0].find("chmod 0640 " + path), std::string::npos);
}

TEST(PrivateKey, WhatIsGeneratedAndWrittenIsReadAgain) {
    TemporaryFolder folder;
    for (const auto algorithm : {Algorithm::rsa, Algorithm::ed25519}) {
        const auto key = PrivateKey::generate(algorithm);
        ASSERT_TRUE(key);
        const auto path = folder.path(algorithm == Algorithm::rsa ? "rsa.pem" : "ed25519.pem");
        ASSERT_TRUE((*key)->write(path));
        const auto again = PrivateKey::load(path);
        ASSERT_TRUE(again) << again.error().what;
        EXPECT_TRUE((*again)->warnings().empty());
        EXPECT_EQ((*again)->algorithm(), algorithm);
        EXPECT_EQ((*again)->public_base64(), (*key)->public_base64());
        EXPECT_TRUE(verify_octets((*key)->public_base64(), algorithm == Algorithm::rsa, "data",
                                  text_of(*(*again)->sign("data"))));
        const auto content = folder.read(algorithm == Algorithm::rsa ? "rsa.pem" : "ed25519.pem");
        EXPECT_FALSE((*key)->write(path));  // never overwritten
        EXPECT_EQ(content, folder.read(algorithm == Algorithm::rsa ? "rsa.pem" : "ed25519.pem"));
    }
    EXPECT_EQ(folder.mode("rsa.pem"), 0600U);
    EXPECT_FALSE(PrivateKey::generate(Algorithm::rsa, 1024));
}

TEST(PrivateKey, SignsFromManyThreadsAtOnce) {
    const PrivateKeyPtr keys[] = {*PrivateKey::generate(Algorithm::rsa),
                                  *PrivateKey::generate(Algorithm::ed25519)};
    for (const auto& key : keys) {
        const auto expected = *key->sign("the same data");
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&] {
                for (int i = 0; i < 50; ++i) EXPECT_EQ(*key->sign("the same data"), expected);
            });
        }
        for (auto& thread : threads) thread.join();
    }
}

TEST(KeyRecord, HasTheFormsThatPeopleMustEnter) {   // SD-8
    const auto key = *PrivateKey::generate(Algorithm::rsa);
    const auto record = key_record("example.com", "mail", *key);
    EXPECT_EQ(host_part(record), "mail._domainkey");
    EXPECT_EQ(record.name, "mail._domainkey.example.com");
    EXPECT_EQ(record.value, "v=DKIM1; k=rsa; p=" + key->public_base64());
    ASSERT_GT(record.value.size(), 255U);
    EXPECT_EQ(zone_file(record), "mail._domainkey.example.com. IN TXT ( \"" + record.value.substr(0, 255) + "\"\n    \"" +
                                     record.value.substr(255) + "\" )");
}

TEST(KeyRecord, OfEd25519FitsIntoOneString) {
    const auto key = *PrivateKey::parse(rfc8463::kEd25519Key, "ed");
    EXPECT_EQ(zone_file(key_record("football.example.com", "brisbane", *key)),
              "brisbane._domainkey.football.example.com. IN TXT \"v=DKIM1; k=ed25519; "
              "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"");
}

}  // namespace
}  // namespace posthorn::auth::dkim
