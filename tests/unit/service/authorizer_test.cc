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
        return CheckPem(certificate.Pem(), method);
    }

    absl::StatusOr<std::shared_ptr<const Caller>> CheckPem(absl::string_view pem, absl::string_view method) {
        absl::StatusOr<std::shared_ptr<const Caller>> result = absl::UnknownError("it did not answer");
        authorizer().Check(pem, "", method, [&result](const auto& caller) { result = caller; });
        return result;
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

TEST_F(AuthorizerTest, FindsThePathOfAResumedSessionThroughAuthoritiesThatItKnows) {
    const test::TestCa intermediate(ca_, "Intermediate");
    const auto csr = crypto::CreateCsr(key_.get(), {.common_name = "caller",
                                                    .extended_key_usage = {crypto::ExtendedKeyUsage::kClientAuth},
                                                    .alternative_names = {}});
    const auto certificate = intermediate.IssueFor(*csr, {now_ - absl::Hours(1), now_ + absl::Hours(4)});
    EXPECT_THAT(Check(certificate, kRead), IsError(StatusCode::kUnauthenticated, "issuer 'CN=Intermediate'"));
    now_ += absl::Minutes(1);
    absl::Status whole = absl::UnknownError("it did not answer");
    authorizer().Check(certificate.Pem(), intermediate.certificate().Pem(), kRead,
                       [&whole](const auto& caller) { whole = caller.status(); });
    EXPECT_THAT(whole, IsOk());
    // Longer than any verdict is kept.
    now_ += absl::Hours(2);
    EXPECT_THAT(Check(certificate, kRead), IsOk());
}

TEST_F(AuthorizerTest, ARefusedCallerWaitsForTheListener) {
    std::vector<std::string> told;
    absl::AnyInvocable<void()> recorded;
    authorizer().OnRefused([&](const Refusal& refusal, absl::AnyInvocable<void()> done) {
        told.push_back(absl::StrCat(refusal.caller.name, " ", refusal.method));
        recorded = std::move(done);
    });
    absl::Status answer;
    authorizer().Check("", "", kRead, [&answer](const auto& caller) { answer = caller.status(); });
    EXPECT_THAT(told, ElementsAre(absl::StrCat("anonymous ", kRead)));
    EXPECT_THAT(answer, IsOk());
    recorded();
    EXPECT_THAT(answer, IsError(StatusCode::kUnauthenticated, "no client certificate"));
}

}  // namespace
}  // namespace provhub::service
