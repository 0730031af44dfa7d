#include "common/crypto/csr.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace provhub::crypto {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

X509ReqPtr Parse(const std::string& pem) {
    const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    return X509ReqPtr(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
}

// As `openssl req -text` prints it.
std::string Text(const std::string& pem) {
    const X509ReqPtr request = Parse(pem);
    const BioPtr bio(BIO_new(BIO_s_mem()));
    X509_REQ_print(bio.get(), request.get());
    const char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

std::vector<int> AlternativeNameTypes(const std::string& pem) {
    const X509ReqPtr request = Parse(pem);
    STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request.get());
    auto* names = static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions, NID_subject_alt_name, nullptr, nullptr));
    std::vector<int> types;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        types.push_back(sk_GENERAL_NAME_value(names, i)->type);
    }
    GENERAL_NAMES_free(names);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return types;
}

TEST(ValidateCommonName, TakesNamesOfUpTo64Characters) {
    for (const std::string& name :
         {std::string("a"), std::string("node-1.unit 7 (front)"), std::string(64, 'x'), std::string("Gerät №1")}) {
        EXPECT_TRUE(ValidateCommonName(name).ok()) << name;
    }
    std::string umlauts;
    for (int i = 0; i < 64; ++i) {
        umlauts += "ü";
    }
    EXPECT_TRUE(ValidateCommonName(umlauts).ok());
    EXPECT_FALSE(ValidateCommonName(umlauts + "x").ok());
    EXPECT_FALSE(ValidateCommonName(std::string(65, 'x')).ok());
}

TEST(ValidateCommonName, RefusesWhatWouldBreakANameOrALog) {
    const std::string bad[] = {
        "",
        " a",
        "a ",
        "a,b",
        "a+b",
        "a=b",
        "a\"b",
        "a\\b",
        "a<b",
        "a>b",
        "a;b",
        "a/b",
        "a#b",
        std::string("a\0b", 3),
        "a\nb",
        "a\x7f",
        "a\xc2\x80",
        "\xff",
        "a\xc3",
        "\xc0\xaf",
        "\xed\xa0\x80",
        "\xf4\x90\x80\x80",
    };
    for (const auto& name : bad) {
        EXPECT_EQ(ValidateCommonName(name).code(), absl::StatusCode::kInvalidArgument) << testing::PrintToString(name);
    }
}

TEST(CreateCsr, IsSignedByItsOwnKey) {
    for (EVP_PKEY* made : std::array{EVP_EC_gen("P-384"), EVP_RSA_gen(2048)}) {
        const EvpPkeyPtr key(made);
        const auto csr = CreateCsr(key.get(), {"node 1", {}, {}});
        ASSERT_TRUE(csr.ok()) << csr.status();
        const X509ReqPtr request = Parse(*csr);
        ASSERT_NE(request, nullptr);
        EXPECT_EQ(X509_REQ_verify(request.get(), key.get()), 1);
        EXPECT_EQ(EVP_PKEY_eq(X509_REQ_get0_pubkey(request.get()), key.get()), 1);
    }
}

TEST(CreateCsr, ChoosesTheDigestByTheKey) {
    const EvpPkeyPtr ec(EVP_EC_gen("P-384"));
    const EvpPkeyPtr rsa(EVP_RSA_gen(2048));
    EXPECT_THAT(Text(*CreateCsr(ec.get(), {"n", {}, {}})), HasSubstr("ecdsa-with-SHA384"));
    EXPECT_THAT(Text(*CreateCsr(rsa.get(), {"n", {}, {}})), HasSubstr("sha256WithRSAEncryption"));
}

TEST(CreateCsr, CarriesUsageAndEveryKindOfAlternativeName) {
    const EvpPkeyPtr key(EVP_EC_gen("P-384"));
    const CertificateRequest request{
        "node 1",
        {ExtendedKeyUsage::kServerAuth, ExtendedKeyUsage::kClientAuth},
        {"wwwaosum", "*.example.org", "10.0.0.1", "fe80::1", "urn:unit:7", "https://example.org/a?b=c,d"}};
    const auto csr = CreateCsr(key.get(), request);
    ASSERT_TRUE(csr.ok()) << csr.status();
    EXPECT_THAT(AlternativeNameTypes(*csr), ElementsAre(GEN_DNS, GEN_DNS, GEN_IPADD, GEN_IPADD, GEN_URI, GEN_URI));
    const std::string text = Text(*csr);
    EXPECT_THAT(text, HasSubstr("CN=node 1"));
    EXPECT_THAT(text, HasSubstr("TLS Web Server Authentication, TLS Web Client Authentication"));
    EXPECT_THAT(text, HasSubstr("DNS:wwwaosum, DNS:*.example.org, IP Address:10.0.0.1, IP Address:FE80:0:0:0:0:0:0:1, "
                                "URI:urn:unit:7, URI:https://example.org/a?b=c,d"));
}

TEST(CreateCsr, HasNoExtensionRequestWhereNothingIsAskedFor) {
    const EvpPkeyPtr key(EVP_EC_gen("P-384"));
    EXPECT_EQ(X509_REQ_get_attr_count(Parse(*CreateCsr(key.get(), {"n", {}, {}})).get()), 0);
}

TEST(CreateCsr, RefusesAnAlternativeNameThatIsNone) {
    const EvpPkeyPtr key(EVP_EC_gen("P-384"));
    for (const std::string& name : {std::string(""), std::string("a b"), std::string("DNS:a,IP:1.2.3.4 "),
                                    std::string("a..b"), std::string("-a"), std::string("ü"), std::string("host:80/\n"),
                                    std::string("a\0b", 3), std::string(254, 'a'), std::string(":80")}) {
        EXPECT_EQ(CreateCsr(key.get(), {"n", {}, {name}}).status().code(), absl::StatusCode::kInvalidArgument)
            << testing::PrintToString(name);
    }
}

TEST(VerifiedUrisOfCsr, AreTheUrisAndNoOtherNames) {
    const EvpPkeyPtr key(EVP_EC_gen("P-384"));
    const auto csr = CreateCsr(key.get(), {"n", {}, {"host", "urn:a:1", "10.0.0.1", "https://b/c"}});
    ASSERT_TRUE(csr.ok());
    const auto uris = VerifiedUrisOfCsr(*csr);
    ASSERT_TRUE(uris.ok()) << uris.status();
    EXPECT_THAT(*uris, ElementsAre("urn:a:1", "https://b/c"));
    EXPECT_THAT(*VerifiedUrisOfCsr(*CreateCsr(key.get(), {"n", {}, {}})), ElementsAre());
}

TEST(VerifiedUrisOfCsr, AreNoneOfARequestThatItsKeyDidNotSign) {
    const EvpPkeyPtr key(EVP_EC_gen("P-384"));
    const EvpPkeyPtr other(EVP_EC_gen("P-384"));
    const X509ReqPtr request = Parse(*CreateCsr(key.get(), {"n", {}, {"urn:a:1"}}));
    ASSERT_EQ(X509_REQ_set_pubkey(request.get(), other.get()), 1);
    const BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509_REQ(bio.get(), request.get());
    const char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    const auto refused = VerifiedUrisOfCsr({text, static_cast<std::size_t>(size)});
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("signature doesn't verify"));
    EXPECT_FALSE(VerifiedUrisOfCsr("no request").ok());
    EXPECT_FALSE(VerifiedUrisOfCsr(std::string(70'000, 'x')).ok());
}

TEST(CreateSelfSigned, IsAnEndEntityWithItsOwnSignatureAndARandomSerial) {
    const EvpPkeyPtr key(EVP_RSA_gen(2048));
    const absl::Time from = absl::FromUnixSeconds(1800000000);
    const absl::Time to = from + absl::Hours(24 * 365 * 40);
    const CertificateRequest request{"disk", {ExtendedKeyUsage::kClientAuth}, {"host"}};
    const auto first = CreateSelfSigned(key.get(), request, from, to);
    const auto second = CreateSelfSigned(key.get(), request, from, to);
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_TRUE(first->IsSelfSigned());
    EXPECT_EQ(X509_check_ca(first->get()), 0);
    EXPECT_EQ(first->not_before(), from);
    EXPECT_EQ(first->not_after(), to);
    EXPECT_EQ(first->PublicKeyDer(), *PublicKeyDer(key.get()));
    EXPECT_NE(first->SerialHex(), second->SerialHex());
    EXPECT_EQ(first->SerialHex().size(), 32u);
    EXPECT_EQ(X509_check_host(first->get(), "host", 4, 0, nullptr), 1);
}

}  // namespace
}  // namespace provhub::crypto
