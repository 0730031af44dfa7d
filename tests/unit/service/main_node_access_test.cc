#include "common/service/main_node_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/config/rules.h"
#include "common/tls/ephemeral_identity.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_ca.h"

namespace provhub::service {
namespace {

using absl::StatusCode;
using node::NodeState;
using test::IsError;
using test::IsOk;
using testing::ElementsAre;

class Identity final : public tls::IdentitySource {
 public:
    absl::StatusOr<std::shared_ptr<const tls::Identity>> Current() const override {
        if (missing_) {
            return absl::FailedPreconditionError("no certificate yet");
        }
        return std::make_shared<const tls::Identity>();
    }
    runtime::Subscription Subscribe(std::function<void()> /*listener*/) override { return {}; }

    void Lose() { missing_ = true; }

 private:
    bool missing_ = false;
};

class MainNodeWaysTest : public testing::Test {
 protected:
    MainNodeWaysTest() {
        config_.set_main_iam_public_server_url("main:8090");
        config_.set_main_iam_protected_server_url("main:8089");
        config_.set_working_dir(dir_.File("."));
        config::FillDefaults(config_);
    }

    absl::StatusOr<std::unique_ptr<MainNodeWays>> Create(bool provisioning_mode) {
        return MainNodeWays::Create(config_, provisioning_mode, anchors_, identity_);
    }

    // Where the next attempts of a node in this state go.
    std::vector<std::string> Addresses(MainNodeWays& ways, NodeState state, int attempts) {
        std::vector<std::string> addresses;
        for (int i = 0; i < attempts; ++i) {
            const auto access = ways.Next(state);
            addresses.push_back(access.ok() ? access->address : access.status().ToString());
        }
        return addresses;
    }

    const test::TempDir dir_;
    config::v1::Config config_;
    std::shared_ptr<const tls::TrustAnchors> anchors_ =
        *tls::TrustAnchors::Load(dir_.Write("ca.pem", test::TestCa("CA").certificate().Pem()));
    const std::shared_ptr<Identity> identity_ = std::make_shared<Identity>();
};

TEST_F(MainNodeWaysTest, InNormalModeThereIsTheProtectedPortOnly) {
    const auto ways = Create(/*provisioning_mode=*/false);
    ASSERT_THAT(ways, IsOk());
    EXPECT_THAT(Addresses(**ways, NodeState::kProvisioned, 2), ElementsAre("main:8089", "main:8089"));
    const auto access = (*ways)->Next(NodeState::kProvisioned);
    ASSERT_THAT(access, IsOk());
    EXPECT_TRUE(access->proven);
    EXPECT_TRUE(access->confidential);
    EXPECT_EQ(access->transport, "mutual TLS");
}

TEST_F(MainNodeWaysTest, InNormalModeSaysWhatIsMissing) {
    const auto ways = Create(/*provisioning_mode=*/false);
    ASSERT_THAT(ways, IsOk());
    identity_->Lose();
    EXPECT_THAT((*ways)->Next(NodeState::kProvisioned), IsError(StatusCode::kFailedPrecondition, "no certificate yet"));
    config_.clear_main_iam_protected_server_url();
    EXPECT_THAT((*Create(/*provisioning_mode=*/false))->Next(NodeState::kProvisioned),
                IsError(StatusCode::kFailedPrecondition, "mainIamProtectedServerUrl is not set"));
}

TEST_F(MainNodeWaysTest, AnUnprovisionedNodeComesToThePublicPort) {
    const auto ways = Create(/*provisioning_mode=*/true);
    ASSERT_THAT(ways, IsOk());
    EXPECT_THAT(Addresses(**ways, NodeState::kUnprovisioned, 2), ElementsAre("main:8090", "main:8090"));
    const auto access = (*ways)->Next(NodeState::kUnprovisioned);
    EXPECT_FALSE(access->proven);
    EXPECT_TRUE(access->confidential);
    EXPECT_EQ(access->server_name, tls::kEphemeralServerName);
}

TEST_F(MainNodeWaysTest, AProvisionedNodeTriesBothPortsInTurn) {
    const auto ways = Create(/*provisioning_mode=*/true);
    ASSERT_THAT(ways, IsOk());
    EXPECT_THAT(Addresses(**ways, NodeState::kProvisioned, 4),
                ElementsAre("main:8089", "main:8090", "main:8089", "main:8090"));
}

TEST_F(MainNodeWaysTest, WithoutAnIdentityThePublicPortIsLeft) {
    const auto ways = Create(/*provisioning_mode=*/true);
    ASSERT_THAT(ways, IsOk());
    identity_->Lose();
    EXPECT_THAT(Addresses(**ways, NodeState::kProvisioned, 2), ElementsAre("main:8090", "main:8090"));
    EXPECT_FALSE((*ways)->Proven().ok());
}

TEST_F(MainNodeWaysTest, SaysThatPlaintextCanBeRead) {
    config_.set_provisioning_transport("plaintext");
    const auto ways = Create(/*provisioning_mode=*/true);
    ASSERT_THAT(ways, IsOk());
    const auto access = (*ways)->Next(NodeState::kUnprovisioned);
    EXPECT_FALSE(access->confidential);
    EXPECT_EQ(access->transport, "plaintext");
}

TEST_F(MainNodeWaysTest, AJoinTokenDoesNotGoOverPlaintext) {
    config_.set_join_token_path(dir_.File("token"));
    EXPECT_THAT(Create(/*provisioning_mode=*/true), IsOk());
    config_.set_provisioning_transport("plaintext");
    EXPECT_THAT(Create(/*provisioning_mode=*/true),
                IsError(StatusCode::kInvalidArgument, "doesn't go with provisioningTransport plaintext"));
    EXPECT_THAT(Create(/*provisioning_mode=*/false), IsOk());
}

TEST_F(MainNodeWaysTest, RefusesAFingerprintThatIsNone) {
    config_.set_server_fingerprint("abc");
    EXPECT_FALSE(Create(/*provisioning_mode=*/true).ok());
}

}  // namespace
}  // namespace provhub::service
