#include "mainnode/hub/stream_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/scripted_agent.h"

namespace provhub::hub {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

struct Row {
    const char* name;
    bool provisioning_mode;
    const char* listener;
    // Empty: not authenticated.
    std::vector<std::string> certificate;
    const char* state;
    StatusCode code;
    StreamTrust trust = StreamTrust::kUnproven;
};

service::Caller CallerWith(const Row& row) {
    service::Caller caller;
    caller.listener = row.listener;
    caller.name = "CN=n1";
    caller.authenticated = !row.certificate.empty();
    caller.node_ids = row.certificate;
    std::erase(caller.node_ids, "none");
    return caller;
}

class StreamPolicyTest : public testing::TestWithParam<Row> {};

TEST_P(StreamPolicyTest, DecidesAsTheTableSays) {
    const Row& row = GetParam();
    const auto trust = DecideOnStream(row.provisioning_mode, CallerWith(row), test::AgentInfo("n1", row.state));
    EXPECT_EQ(trust.status().code(), row.code) << trust.status();
    if (trust.ok()) {
        EXPECT_EQ(*trust, row.trust);
    }
}

constexpr auto kProven = StreamTrust::kProven;
const std::vector<std::string> kNobody = {};
const std::vector<std::string> kN1 = {"n0", "n1"};
const std::vector<std::string> kN2 = {"n2"};
const std::vector<std::string> kOperator = {"none"};

INSTANTIATE_TEST_SUITE_P(
    Rows, StreamPolicyTest,
    testing::Values(
        Row{"ProvisioningUnprovisioned", true, "", kNobody, "unprovisioned", StatusCode::kOk},
        Row{"ProvisioningProvisioned", true, "", kNobody, "provisioned", StatusCode::kOk},
        Row{"ProvisioningPaused", true, "", kNobody, "paused", StatusCode::kOk},
        Row{"ProvisioningError", true, "", kNobody, "error", StatusCode::kOk},
        Row{"PublicUnprovisioned", false, "public", kNobody, "unprovisioned", StatusCode::kOk},
        Row{"PublicError", false, "public", kNobody, "error", StatusCode::kOk},
        Row{"PublicProvisioned", false, "public", kNobody, "provisioned", StatusCode::kFailedPrecondition},
        Row{"PublicPaused", false, "public", kNobody, "paused", StatusCode::kFailedPrecondition},
        Row{"PublicProvisionedWithCertificate", false, "public", kN1, "provisioned", StatusCode::kFailedPrecondition},
        Row{"UnknownListenerProvisioned", false, "", kN1, "provisioned", StatusCode::kFailedPrecondition},
        Row{"ProtectedNobody", false, "protected", kNobody, "provisioned", StatusCode::kUnauthenticated},
        Row{"ProtectedNobodyUnprovisioned", false, "protected", kNobody, "unprovisioned", StatusCode::kUnauthenticated},
        Row{"ProtectedProvisioned", false, "protected", kN1, "provisioned", StatusCode::kOk, kProven},
        Row{"ProtectedPaused", false, "protected", kN1, "paused", StatusCode::kOk, kProven},
        Row{"ProtectedError", false, "protected", kN1, "error", StatusCode::kOk, kProven},
        Row{"ProtectedUnprovisioned", false, "protected", kN1, "unprovisioned", StatusCode::kFailedPrecondition},
        Row{"ProtectedOtherNode", false, "protected", kN2, "provisioned", StatusCode::kPermissionDenied},
        Row{"ProtectedOtherNodeUnprovisioned", false, "protected", kN2, "unprovisioned", StatusCode::kPermissionDenied},
        Row{"ProtectedOperator", false, "protected", kOperator, "provisioned", StatusCode::kPermissionDenied}),
    [](const auto& info) { return info.param.name; });

TEST(StreamPolicy, SaysWhatTheNodeHasToDo) {
    const auto message = [](const Row& row) {
        return std::string(DecideOnStream(row.provisioning_mode, CallerWith(row), test::AgentInfo("n1", row.state))
                               .status()
                               .message());
    };
    EXPECT_THAT(message({"", false, "public", kNobody, "paused", {}}), HasSubstr("protected port, with mutual TLS"));
    EXPECT_THAT(message({"", false, "protected", kN1, "unprovisioned", {}}), HasSubstr("--provisioning"));
    EXPECT_THAT(message({"", false, "protected", kN2, "paused", {}}), HasSubstr("vouches for 'n2'"));
    EXPECT_THAT(message({"", false, "protected", kOperator, "paused", {}}), HasSubstr("nodeIdentity.allow"));
}

}  // namespace
}  // namespace provhub::hub
