#include "tools/provctl/dev_ca.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/crypto/csr.h"
#include "common/runtime/atomic_file.h"
#include "tests/support/temp_dir.h"

namespace provhub::provctl {
namespace {

using crypto::Certificate;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::size_t kMaxBytes = std::size_t{64} * 1024;

crypto::CertificateRequest RequestFor(const std::string& common_name) {
    crypto::CertificateRequest request;
    request.common_name = common_name;
    return request;
}

class DevCaTest : public ::testing::Test {
 protected:
    DevCaTest() : directory_(temp_.path() + "/ca"), key_(EVP_EC_gen("P-384")) {}

    DevCa CreateAndOpen() {
        EXPECT_EQ(DevCa::Create(directory_, now_), absl::OkStatus());
        auto ca = DevCa::Open(directory_, now_);
        EXPECT_EQ(ca.status(), absl::OkStatus());
        return *std::move(ca);
    }

    std::string Csr(const crypto::CertificateRequest& request) { return *crypto::CreateCsr(key_.get(), request); }

    std::string Read(const std::string& file) {
        return *runtime::ReadSmallFile(absl::StrCat(directory_, "/", file), kMaxBytes);
    }

    std::vector<Certificate> SignAndParse(const DevCa& ca, const crypto::CertificateRequest& request) {
        const auto chain = ca.Sign(Csr(request), now_);
        EXPECT_EQ(chain.status(), absl::OkStatus());
        return *crypto::ParsePemCertificates(*chain);
    }

    test::TempDir temp_;
    std::string directory_;
    crypto::EvpPkeyPtr key_;
    absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
};

mode_t ModeOf(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 07777;
}

std::vector<std::string> DnsNames(const Certificate& certificate) {
    std::vector<std::string> result;
    auto* names =
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        const ASN1_STRING* text = sk_GENERAL_NAME_value(names, i)->d.dNSName;
        result.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), ASN1_STRING_length(text));
    }
    GENERAL_NAMES_free(names);
    return result;
}

TEST_F(DevCaTest, IssuesALeafThatVerifiesAgainstTheRoot) {
    const DevCa ca = CreateAndOpen();
    const auto chain = SignAndParse(ca, RequestFor("unit-1"));
    ASSERT_EQ(chain.size(), 2U);
    const auto anchors = crypto::ParsePemCertificates(Read("root.pem"));
    ASSERT_TRUE(anchors.ok());
    EXPECT_EQ(crypto::VerifyChain(chain[0], {chain[1]}, *anchors, now_).status(), absl::OkStatus());
    EXPECT_EQ(chain[0].Subject(), "CN=unit-1");
    EXPECT_EQ(chain[0].PublicKeyDer(), *crypto::PublicKeyDer(key_.get()));
}

TEST_F(DevCaTest, CopiesTheUsageAndTheNamesThatTheRequestAsksFor) {
    const DevCa ca = CreateAndOpen();
    const auto chain = SignAndParse(ca, {.common_name = "unit-1",
                                         .extended_key_usage = {crypto::ExtendedKeyUsage::kServerAuth},
                                         .alternative_names = {"main.unit", "gateway.unit"}});
    EXPECT_EQ(X509_get_extended_key_usage(chain[0].get()), static_cast<unsigned>(XKU_SSL_SERVER));
    EXPECT_THAT(DnsNames(chain[0]), ElementsAre("main.unit", "gateway.unit"));
}

TEST_F(DevCaTest, NeverMakesACaOfARequestThatAsksForOne) {
    const DevCa ca = CreateAndOpen();
    const crypto::X509ReqPtr csr(X509_REQ_new());
    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(csr.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>("greedy"), -1, -1, 0);
    X509_REQ_set_pubkey(csr.get(), key_.get());
    X509_EXTENSION* constraints = X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
    STACK_OF(X509_EXTENSION)* extensions = sk_X509_EXTENSION_new_null();
    sk_X509_EXTENSION_push(extensions, constraints);
    X509_REQ_add_extensions(csr.get(), extensions);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_REQ_sign(csr.get(), key_.get(), EVP_sha384());
    const crypto::BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509_REQ(bio.get(), csr.get());
    char* pem = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &pem);

    const auto chain = ca.Sign({pem, static_cast<std::size_t>(size)}, now_);
    ASSERT_EQ(chain.status(), absl::OkStatus());
    EXPECT_EQ(X509_check_ca(crypto::ParsePemCertificates(*chain)->front().get()), 0);
}

TEST_F(DevCaTest, RefusesARequestWhoseSignatureDoesNotVerify) {
    const DevCa ca = CreateAndOpen();
    const crypto::EvpPkeyPtr other(EVP_EC_gen("P-384"));
    const crypto::X509ReqPtr csr(X509_REQ_new());
    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(csr.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>("thief"), -1, -1, 0);
    X509_REQ_set_pubkey(csr.get(), key_.get());
    X509_REQ_sign(csr.get(), other.get(), EVP_sha384());
    const crypto::BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509_REQ(bio.get(), csr.get());
    char* pem = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &pem);

    const auto chain = ca.Sign({pem, static_cast<std::size_t>(size)}, now_);
    EXPECT_EQ(chain.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(chain.status().message()), HasSubstr("signature"));
}

TEST_F(DevCaTest, RefusesAShortRsaKey) {
    const DevCa ca = CreateAndOpen();
    key_.reset(EVP_RSA_gen(1024));
    EXPECT_EQ(ca.Sign(Csr(RequestFor("weak")), now_).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(DevCaTest, RefusesWhatIsNoRequest) {
    const DevCa ca = CreateAndOpen();
    for (const std::string& text :
         {std::string(), std::string("garbage"), ca.root().Pem(), std::string(100'000, 'A')}) {
        EXPECT_EQ(ca.Sign(text, now_).status().code(), absl::StatusCode::kInvalidArgument) << text.substr(0, 40);
    }
}

TEST_F(DevCaTest, GivesEveryCertificateAnotherPositiveSerialNumber) {
    const DevCa ca = CreateAndOpen();
    std::set<std::string> serials;
    for (int i = 0; i < 20; ++i) {
        const auto chain = SignAndParse(ca, RequestFor("unit-1"));
        EXPECT_EQ(chain[0].SerialHex().size(), 32U);
        EXPECT_EQ(ASN1_STRING_type(X509_get_serialNumber(chain[0].get())), V_ASN1_INTEGER);
        serials.insert(chain[0].SerialHex());
    }
    EXPECT_EQ(serials.size(), 20U);
}

TEST_F(DevCaTest, IssuesForAYearButNeverBeyondTheIntermediate) {
    const DevCa ca = CreateAndOpen();
    const auto chain = SignAndParse(ca, RequestFor("unit-1"));
    EXPECT_EQ(chain[0].not_after(), now_ + absl::Hours(24 * 365));
    EXPECT_LT(chain[0].not_before(), now_);
    now_ = chain[1].not_after() - absl::Hours(24);
    EXPECT_EQ(SignAndParse(ca, RequestFor("unit-1"))[0].not_after(), chain[1].not_after());
}

TEST_F(DevCaTest, KeepsTheKeysToItsOwner) {
    CreateAndOpen();
    EXPECT_EQ(ModeOf(directory_ + "/root.key"), 0600U);
    EXPECT_EQ(ModeOf(directory_ + "/intermediate.key"), 0600U);
    EXPECT_EQ(ModeOf(directory_ + "/root.pem"), 0644U);
}

TEST_F(DevCaTest, IsNotMadeOverAnother) {
    CreateAndOpen();
    const std::string root = Read("root.pem");
    const std::string key = Read("root.key");
    const absl::Status status = DevCa::Create(directory_, now_);
    EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
    EXPECT_THAT(std::string(status.message()), StartsWith(directory_));
    EXPECT_EQ(Read("root.pem"), root);
    EXPECT_EQ(Read("root.key"), key);
}

TEST_F(DevCaTest, DoesNotOpenWithTheKeyOfAnother) {
    CreateAndOpen();
    ASSERT_EQ(DevCa::Create(temp_.path() + "/other", now_), absl::OkStatus());
    const std::string other = *runtime::ReadSmallFile(temp_.path() + "/other/intermediate.key", kMaxBytes);
    std::ofstream(directory_ + "/intermediate.key") << other;
    EXPECT_EQ(DevCa::Open(directory_, now_).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DevCaTest, DoesNotOpenWhenItHasExpiredOrIsNotThere) {
    CreateAndOpen();
    EXPECT_EQ(DevCa::Open(directory_, now_ + absl::Hours(24 * 365 * 6)).status().code(),
              absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(DevCa::Open(temp_.path() + "/nowhere", now_).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace provhub::provctl
