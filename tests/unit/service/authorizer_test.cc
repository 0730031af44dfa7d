#include "common/service/authorizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>

#include "common/config/rules.h"
#include "common/crypto/csr.h"
#include "common/runtime/atomic_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_ca.h"

namespace provhub::service {
namespace {

using absl::StatusCode;
using test::IsError;
using test::IsOk;
using testing::ElementsAre;

constexpr char kPause[] = "/iamanager.v6.IAMNodesService/PauseNode";
constexpr char kRegister[] = "/iamanager.v6.IAMPublicNodesService/RegisterNode";
constexpr char kRead[] = "/iamanager.v6.IAMPublicNodesService/GetAllNodeIDs";

class AuthorizerTest : public ::testing::Test {
 protected:
    AuthorizerTest() { config::FillDefaults(config_); }

    Authorizer& authorizer() {
        if (authorizer_ == nullptr) {
            authorizer_ = std::make_unique<Authorizer>(config_, anchors_, [this] { return now_; });
        }
        return *authorizer_;
    }

    crypto::Certificate Certify(const std::vector<std::string>& names, const test::Validity& validity = {}) {
        const auto csr = crypto::CreateCsr(key_.get(), {.common_name = "caller",
                                                        .extended_key_usage = {crypto::ExtendedKeyUsage::kClientAuth},
                                                        .alternative_names = names});
        return ca_.IssueFor(*csr, validity);
    }

    absl::StatusOr<std::shared_ptr<const Caller>> Check(const crypto::Certificate& certificate,
                                                        absl::string_view method) {
        return authorizer().Check(certificate.Pem(), "", method);
    }

    const test::TempDir dir_;
    const test::TestCa ca_{"CA"};
    const crypto::EvpPkeyPtr key_{EVP_EC_gen("P-384")};
    const std::string path_ = dir_.Write("ca.pem", ca_.certificate().Pem());
    const std::shared_ptr<tls::TrustAnchors> anchors_ = *tls::TrustAnchors::Load(path_);
    absl::Time now_ = absl::Now();
    config::v1::Config config_;
    std::unique_ptr<Authorizer> authorizer_;
};

TEST_F(AuthorizerTest, ByDefaultNodesRegisterAndDoNotManage) {
    const auto node = Certify({"urn:provhub:node:n1"});
    const auto caller = Check(node, kRegister);
    ASSERT_THAT(caller, IsOk());
    EXPECT_THAT((*caller)->node_ids, ElementsAre("n1"));
    EXPECT_THAT(Check(node, kRead), IsOk());
    EXPECT_THAT(Check(node, kPause), IsError(StatusCode::kPermissionDenied, "no rule allows CN=caller"));
}

TEST_F(AuthorizerTest, ByDefaultOperatorsManageAndDoNotRegister) {
    const auto person = Certify({"urn:provhub:role:operator"});
    EXPECT_THAT(Check(person, kPause), IsOk());
    EXPECT_THAT(Check(person, kRegister), IsError(StatusCode::kPermissionDenied, "RegisterNode"));
}

TEST_F(AuthorizerTest, TakesANodeFromTheListOfSerials) {
    const auto certificate = Certify({});
    auto& allowed = *config_.mutable_node_identity()->add_allow();
    allowed.set_node_id("n7");
    allowed.set_serial("00" + certificate.SerialHex());
    const auto caller = Check(certificate, kRegister);
    ASSERT_THAT(caller, IsOk());
    EXPECT_THAT((*caller)->node_ids, ElementsAre("n7"));
    EXPECT_THAT(Check(Certify({}), kRegister), IsError(StatusCode::kPermissionDenied, "no rule"));
}

TEST_F(AuthorizerTest, WithRulesAllowsNothingElse) {
    auto& rule = *config_.mutable_authorization()->add_rules();
    rule.set_name("readers");
    rule.add_methods("/iamanager.v6.*/Get*");
    rule.add_callers()->set_san("urn:team:*");
    EXPECT_THAT(Check(Certify({"urn:team:a"}), kRead), IsOk());
    EXPECT_THAT(Check(Certify({"urn:team:a"}), kPause), IsError(StatusCode::kPermissionDenied, "no rule"));
    EXPECT_THAT(Check(Certify({"urn:provhub:role:operator"}), kPause),
                IsError(StatusCode::kPermissionDenied, "no rule"));
}

TEST_F(AuthorizerTest, EveryPatternOfACallerMustMatch) {
    auto& rule = *config_.mutable_authorization()->add_rules();
    rule.set_name("one");
    rule.add_methods("*");
    auto& pattern = *rule.add_callers();
    pattern.set_common_name("call*");
    pattern.set_san("urn:team:a");
    EXPECT_THAT(Check(Certify({"urn:team:a"}), kPause), IsOk());
    EXPECT_THAT(Check(Certify({"urn:team:b"}), kPause), IsError(StatusCode::kPermissionDenied, "no rule"));
}

TEST_F(AuthorizerTest, RefusesACertificateFromTheMomentItExpires) {
    const auto certificate = Certify({}, {now_ - absl::Hours(1), now_ + absl::Minutes(5)});
    EXPECT_THAT(Check(certificate, kRead), IsOk());
    now_ += absl::Minutes(5);
    EXPECT_THAT(Check(certificate, kRead), IsError(StatusCode::kUnauthenticated, "expired on"));
}

TEST_F(AuthorizerTest, TakesACertificateSoonAfterItBecomesValid) {
    const auto certificate = Certify({}, {now_ + absl::Minutes(1), now_ + absl::Hours(1)});
    EXPECT_THAT(Check(certificate, kRead), IsError(StatusCode::kUnauthenticated, "not yet valid"));
    now_ += absl::Minutes(2);
    EXPECT_THAT(Check(certificate, kRead), IsOk());
}

TEST_F(AuthorizerTest, ForgetsItsVerdictsWhenTheTrustAnchorsChange) {
    const auto certificate = Certify({});
    EXPECT_THAT(Check(certificate, kRead), IsOk());
    ASSERT_THAT(runtime::WriteFileAtomically(path_, test::TestCa("Another").certificate().Pem(), 0600), IsOk());
    ASSERT_THAT(anchors_->Reload(), IsOk());
    EXPECT_THAT(Check(certificate, kRead), IsError(StatusCode::kUnauthenticated, "issuer 'CN=CA'"));
}

TEST_F(AuthorizerTest, TellsOfRefusalsAtABoundedRateAndHowManyItLeftOut) {
    std::uint64_t told = 0;
    std::uint64_t untold = 0;
    authorizer().OnRefused([&](const Refusal& refusal) {
        ++told;
        untold += refusal.untold;
    });
    for (int i = 0; i < 1000; ++i) {
        EXPECT_THAT(authorizer().Check("", "", kRead), IsError(StatusCode::kUnauthenticated, "no client certificate"));
    }
    EXPECT_LE(told, 100U);
    now_ += absl::Seconds(10);
    EXPECT_FALSE(authorizer().Check("", "", kRead).ok());
    EXPECT_EQ(told + untold, 1001U);
}

}  // namespace
}  // namespace provhub::service
