#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "absl/time/clock.h"
#include "common/crypto/certificate.h"
#include "common/crypto/csr.h"
#include "tests/support/test_ca.h"

namespace provhub::crypto {
namespace {

using test::TestCa;
using test::Validity;
using testing::HasSubstr;

const Validity kPast{absl::Now() - absl::Hours(48), absl::Now() - absl::Hours(24)};
const Validity kFuture{absl::Now() + absl::Hours(24), absl::Now() + absl::Hours(48)};

class VerifyChainTest : public testing::Test {
 protected:
    const TestCa root_{"Root"};
    const TestCa middle_{root_, "Middle"};
    const TestCa lower_{middle_, "Lower"};
    const EvpPkeyPtr key_{EVP_EC_gen("P-384")};
    const Certificate leaf_ = lower_.Issue(key_.get(), "leaf");
};

TEST_F(VerifyChainTest, FindsThePathThroughIntermediatesInAnyOrder) {
    const std::vector<Certificate> others = {root_.certificate(), lower_.certificate(), leaf_, middle_.certificate(),
                                             TestCa("Stranger").certificate()};
    const auto chain = VerifyChain(leaf_, others, {root_.certificate()}, absl::Now());
    ASSERT_TRUE(chain.ok()) << chain.status();
    EXPECT_EQ(chain->leaf.Der(), leaf_.Der());
    ASSERT_EQ(chain->intermediates.size(), 2u);
    EXPECT_EQ(chain->intermediates[0].Der(), lower_.certificate().Der());
    EXPECT_EQ(chain->intermediates[1].Der(), middle_.certificate().Der());
}

TEST_F(VerifyChainTest, LeavesNoIntermediateWhereTheAnchorIssuedTheLeaf) {
    const auto chain = VerifyChain(root_.Issue(key_.get(), "l"), {}, {root_.certificate()}, absl::Now());
    ASSERT_TRUE(chain.ok()) << chain.status();
    EXPECT_TRUE(chain->intermediates.empty());
}

TEST_F(VerifyChainTest, TakesAnAnchorThatIsNotSelfSignedAndKeepsItInTheChain) {
    const auto chain = VerifyChain(leaf_, {lower_.certificate()}, {middle_.certificate()}, absl::Now());
    ASSERT_TRUE(chain.ok()) << chain.status();
    ASSERT_EQ(chain->intermediates.size(), 2u);
    EXPECT_EQ(chain->intermediates[1].Der(), middle_.certificate().Der());
}

TEST_F(VerifyChainTest, RefusesAMissingIntermediateAndNamesTheIssuer) {
    const auto status = VerifyChain(leaf_, {middle_.certificate()}, {root_.certificate()}, absl::Now()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("'CN=leaf'"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("'CN=Lower'"));
}

TEST_F(VerifyChainTest, RefusesAnotherRootAndNoAnchor) {
    const std::vector<Certificate> others = {root_.certificate(), lower_.certificate(), middle_.certificate()};
    EXPECT_EQ(VerifyChain(leaf_, others, {TestCa("Root 2").certificate()}, absl::Now()).status().code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(VerifyChain(leaf_, others, {}, absl::Now()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(VerifyChainTest, RefusesASignatureOfAnotherKeyUnderTheSameName) {
    const TestCa impostor("Root");
    const auto status =
        VerifyChain(impostor.Issue(key_.get(), "leaf"), {}, {root_.certificate()}, absl::Now()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("signature"));
}

TEST_F(VerifyChainTest, RefusesALeafWithAFlippedSignatureBit) {
    std::string der = root_.Issue(key_.get(), "leaf").Der();
    der.back() = static_cast<char>(der.back() ^ 1);
    const auto leaf = Certificate::FromDer(der);
    ASSERT_TRUE(leaf.ok()) << leaf.status();
    EXPECT_EQ(VerifyChain(*leaf, {}, {root_.certificate()}, absl::Now()).status().code(),
              absl::StatusCode::kInvalidArgument);
}

TEST_F(VerifyChainTest, RefusesAnExpiredLeafAsAPrecondition) {
    const auto status =
        VerifyChain(root_.Issue(key_.get(), "old", kPast), {}, {root_.certificate()}, absl::Now()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("'CN=old' expired on"));
}

TEST_F(VerifyChainTest, RefusesALeafThatIsNotYetValidUntilItIs) {
    const Certificate leaf = root_.Issue(key_.get(), "new", kFuture);
    const TestCa& ca = root_;
    EXPECT_EQ(VerifyChain(leaf, {}, {ca.certificate()}, absl::Now()).status().code(),
              absl::StatusCode::kFailedPrecondition);
    const TestCa long_lived("Root L", {absl::Now(), absl::Now() + absl::Hours(100)});
    const Certificate later = long_lived.Issue(key_.get(), "new", kFuture);
    EXPECT_FALSE(VerifyChain(later, {}, {long_lived.certificate()}, absl::Now()).ok());
    EXPECT_TRUE(VerifyChain(later, {}, {long_lived.certificate()}, absl::Now() + absl::Hours(30)).ok());
}

TEST_F(VerifyChainTest, RefusesAnExpiredIntermediateAndNamesIt) {
    const TestCa expired(root_, "Tired", kPast);
    const auto status =
        VerifyChain(expired.Issue(key_.get(), "leaf"), {expired.certificate()}, {root_.certificate()}, absl::Now())
            .status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("'CN=Tired'"));
}

TEST_F(VerifyChainTest, RefusesAnIssuerThatIsNoCa) {
    const EvpPkeyPtr other_key(EVP_EC_gen("P-384"));
    const auto leaf_as_ca =
        CreateSelfSigned(key_.get(), {"Not a CA", {}, {}}, absl::Now() - absl::Hours(1), absl::Now() + absl::Hours(1));
    ASSERT_TRUE(leaf_as_ca.ok()) << leaf_as_ca.status();
    const X509Ptr child(X509_dup(root_.Issue(other_key.get(), "child").get()));
    X509_set_issuer_name(child.get(), X509_get_subject_name(leaf_as_ca->get()));
    ASSERT_NE(X509_sign(child.get(), key_.get(), EVP_sha384()), 0);
    EXPECT_EQ(VerifyChain(Certificate(child.get()), {}, {*leaf_as_ca}, absl::Now()).status().code(),
              absl::StatusCode::kInvalidArgument);
}

TEST_F(VerifyChainTest, RefusesAKeyThatTlsWouldRefuse) {
    const EvpPkeyPtr weak(EVP_RSA_gen(1024));
    EXPECT_EQ(VerifyChain(root_.Issue(weak.get(), "weak"), {}, {root_.certificate()}, absl::Now()).status().code(),
              absl::StatusCode::kInvalidArgument);
}

TEST_F(VerifyChainTest, TakesASelfSignedLeafThatIsAnAnchorItself) {
    const auto leaf =
        CreateSelfSigned(key_.get(), {"self", {}, {}}, absl::Now() - absl::Hours(1), absl::Now() + absl::Hours(1));
    ASSERT_TRUE(leaf.ok()) << leaf.status();
    const auto chain = VerifyChain(*leaf, {}, {*leaf}, absl::Now());
    ASSERT_TRUE(chain.ok()) << chain.status();
    EXPECT_TRUE(chain->intermediates.empty());
}

}  // namespace
}  // namespace provhub::crypto
