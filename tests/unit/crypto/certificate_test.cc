#include "common/crypto/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include "absl/strings/str_cat.h"
#include "common/crypto/csr.h"
#include "tests/support/test_ca.h"

namespace provhub::crypto {
namespace {

using test::TestCa;
using testing::HasSubstr;

EvpPkeyPtr NewKey() {
    return EvpPkeyPtr(EVP_EC_gen("P-256"));
}

Certificate WithSerial(const std::string& hex) {
    const EvpPkeyPtr key = NewKey();
    auto certificate = CreateSelfSigned(key.get(), {"x", {}, {}}, absl::UnixEpoch(), absl::Now());
    const X509Ptr copy(X509_dup(certificate->get()));
    BIGNUM* number = nullptr;
    BN_hex2bn(&number, hex.c_str());
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(copy.get()));
    BN_free(number);
    return Certificate(copy.get());
}

TEST(Certificate, ReadsBackWhatItWrites) {
    const TestCa ca("Root");
    const EvpPkeyPtr key = NewKey();
    const Certificate leaf = ca.Issue(key.get(), "node 1");
    const auto from_der = Certificate::FromDer(leaf.Der());
    ASSERT_TRUE(from_der.ok()) << from_der.status();
    EXPECT_EQ(from_der->Der(), leaf.Der());
    const auto from_pem = ParsePemCertificates(leaf.Pem());
    ASSERT_TRUE(from_pem.ok()) << from_pem.status();
    EXPECT_EQ(from_pem->front().Der(), leaf.Der());
    EXPECT_EQ(leaf.Subject(), "CN=node 1");
    EXPECT_EQ(leaf.Issuer(), "CN=Root");
    EXPECT_EQ(leaf.IssuerDer(), ca.certificate().SubjectDer());
    EXPECT_NE(leaf.IssuerDer(), leaf.SubjectDer());
    EXPECT_EQ(leaf.PublicKeyDer(), *PublicKeyDer(key.get()));
}

TEST(Certificate, WritesItsSerialAsUpperCaseHexadecimal) {
    EXPECT_EQ(WithSerial("0").SerialHex(), "00");
    EXPECT_EQ(WithSerial("A").SerialHex(), "0A");
    EXPECT_EQ(WithSerial("80").SerialHex(), "80");
    EXPECT_EQ(WithSerial("0123456789ABCDEF0123456789ABCDEF01234567").SerialHex(),
              "0123456789ABCDEF0123456789ABCDEF01234567");
    EXPECT_EQ(WithSerial("-1F").SerialHex(), "1F");
}

TEST(Certificate, KnowsItsValidityToTheSecond) {
    const TestCa ca("Root");
    const EvpPkeyPtr key = NewKey();
    const absl::Time from = absl::FromUnixSeconds(1700000001);
    const absl::Time to = absl::FromCivil(absl::CivilSecond(2077, 5, 4, 3, 2, 1), absl::UTCTimeZone());
    const Certificate leaf = ca.Issue(key.get(), "n", {from, to});
    EXPECT_EQ(leaf.not_before(), from);
    EXPECT_EQ(leaf.not_after(), to);
}

TEST(Certificate, IsSelfSignedOnlyWhenItsOwnKeySignedIt) {
    const TestCa root("Root");
    const TestCa impostor(root, "Root");
    EXPECT_TRUE(root.certificate().IsSelfSigned());
    EXPECT_FALSE(impostor.certificate().IsSelfSigned());
    EXPECT_EQ(impostor.certificate().SubjectDer(), impostor.certificate().IssuerDer());
}

TEST(Certificate, RefusesBytesThatAreNoCertificate) {
    const TestCa root("Root");
    const std::string der = root.certificate().Der();
    for (const std::string& bad :
         {std::string(), std::string("garbage"), der.substr(0, der.size() - 1), absl::StrCat(der, "x")}) {
        EXPECT_EQ(Certificate::FromDer(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad.size();
    }
}

TEST(ParsePemCertificates, KeepsTheOrderAndSkipsTextBetweenTheBlocks) {
    const TestCa a("A");
    const TestCa b("B");
    const auto parsed = ParsePemCertificates(
        absl::StrCat("subject=B\n", b.certificate().Pem(), "\n\r\nsome words\n", a.certificate().Pem(), "the end"));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    ASSERT_EQ(parsed->size(), 2u);
    EXPECT_EQ((*parsed)[0].Subject(), "CN=B");
    EXPECT_EQ((*parsed)[1].Subject(), "CN=A");
}

TEST(ParsePemCertificates, AcceptsCarriageReturns) {
    std::string pem = TestCa("A").certificate().Pem();
    for (std::size_t at = pem.find('\n'); at != std::string::npos; at = pem.find('\n', at + 2)) {
        pem.insert(at, "\r");
    }
    EXPECT_TRUE(ParsePemCertificates(pem).ok());
}

TEST(ParsePemCertificates, RefusesWhatIsNotOnlyCertificates) {
    const TestCa ca("A");
    const std::string pem = ca.certificate().Pem();
    const BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(bio.get(), ca.key(), nullptr, nullptr, 0, nullptr, nullptr);
    const char* key = nullptr;
    const long key_size = BIO_get_mem_data(bio.get(), &key);

    const std::string bad[] = {
        "",
        "garbage",
        std::string(1000, '\0'),
        "-----BEGIN CERTIFICATE-----\nnot base64!!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        pem.substr(0, pem.size() / 2),
        pem.substr(0, pem.size() - 5),
        absl::StrCat(pem, pem.substr(0, pem.size() / 2)),
        absl::StrCat(pem, "-----BEGIN CERTIFICATE----- \n"),
        absl::StrCat(pem, absl::string_view(key, static_cast<std::size_t>(key_size))),
    };
    for (const auto& text : bad) {
        EXPECT_EQ(ParsePemCertificates(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
    }
}

TEST(ParsePemCertificates, SaysWhichBlockIsWrong) {
    const std::string pem = TestCa("A").certificate().Pem();
    const auto parsed =
        ParsePemCertificates(absl::StrCat(pem, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("PEM block 2"));
}

TEST(ParsePemCertificates, BoundsTheNumberAndTheSize) {
    const std::string pem = TestCa("A").certificate().Pem();
    std::string sixteen;
    for (int i = 0; i < 16; ++i) {
        sixteen += pem;
    }
    EXPECT_TRUE(ParsePemCertificates(sixteen).ok());
    EXPECT_EQ(ParsePemCertificates(sixteen + pem).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ParsePemCertificates(pem + std::string(256 * 1024, '\n')).status().code(),
              absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace provhub::crypto
