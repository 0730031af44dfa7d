// Simulated nodes against a real main node.
#include "tools/nodesim/fleet.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "iamanager/v6/iamanager.grpc.pb.h"
#include "tests/support/fake_unit.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_ca.h"

namespace provhub::nodesim {
namespace {

using iamanager::v6::IAMCertificateService;
using iamanager::v6::IAMNodesService;
using iamanager::v6::IAMProvisioningService;
using testing::ElementsAre;

constexpr char kFirst[] = "sim-00001";

class FleetTest : public testing::Test {
 protected:
    FleetTest() {
        line_.connection.server = main_node_.public_address();
        line_.connection.plaintext = true;
        line_.nodes = 1;
        line_.id_prefix = "sim-";
        line_.reconnect_interval = absl::Milliseconds(10);
        line_.behaviour.cert_types = {"online", "offline"};
    }

    void Start() {
        auto fleet = Fleet::Start(line_);
        ASSERT_TRUE(fleet.ok()) << fleet.status();
        fleet_ = *std::move(fleet);
        for (int i = 1; i <= line_.nodes; ++i) {
            ASSERT_TRUE(main_node_.WaitForConnection(absl::StrCat("sim-", absl::Dec(i, absl::kZeroPad5))));
        }
    }

    // Calls `method` of a stub for the first node, with a deadline.
    template <typename Service, typename Request, typename Response>
    grpc::Status Call(grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                      Request request, Response& response, absl::Duration limit = absl::Seconds(20)) {
        request.set_node_id(kFirst);
        grpc::ClientContext context;
        context.set_deadline(absl::ToChronoTime(absl::Now() + limit));
        const auto stub = Service::NewStub(channel_);
        return (stub.get()->*method)(&context, request, &response);
    }

    iamanager::v6::CreateKeyResponse CreateKey() {
        iamanager::v6::CreateKeyRequest request;
        request.set_type("online");
        request.set_subject("unit-1");
        iamanager::v6::CreateKeyResponse response;
        status_ = Call<IAMCertificateService>(&IAMCertificateService::Stub::CreateKey, request, response,
                                              absl::Milliseconds(1500));
        return response;
    }

    test::FakeMainNode main_node_;
    std::shared_ptr<grpc::Channel> channel_ = main_node_.NewChannel();
    CommandLine line_;
    std::unique_ptr<Fleet> fleet_;
    grpc::Status status_;
};

TEST_F(FleetTest, RegistersEveryNode) {
    line_.nodes = 60;
    line_.rate = 1000;
    Start();
    EXPECT_EQ(main_node_.StateOf("sim-00060"), "unprovisioned");
    // The main node knows of a node before the node knows that it is admitted.
    const absl::Time limit = absl::Now() + absl::Seconds(20);
    while (!fleet_->statistics().all_were_connected() && absl::Now() < limit) {
        absl::SleepFor(absl::Milliseconds(2));
    }
    EXPECT_EQ(fleet_->statistics().connected(), 60);
    EXPECT_TRUE(fleet_->statistics().all_were_connected());
}

TEST_F(FleetTest, GoesThroughAProvisioning) {
    Start();
    iamanager::v6::StartProvisioningResponse started;
    ASSERT_TRUE(Call<IAMProvisioningService>(&IAMProvisioningService::Stub::StartProvisioning,
                                             iamanager::v6::StartProvisioningRequest(), started)
                    .ok());
    EXPECT_FALSE(started.has_error());
    iamanager::v6::CertTypes types;
    ASSERT_TRUE(Call<IAMProvisioningService>(&IAMProvisioningService::Stub::GetCertTypes,
                                             iamanager::v6::GetCertTypesRequest(), types)
                    .ok());
    EXPECT_THAT(types.types(), ElementsAre("online", "offline"));
    const auto key = CreateKey();
    ASSERT_TRUE(status_.ok()) << status_.error_message();
    const test::TestCa ca("root");
    const auto leaf = ca.IssueFor(key.csr());
    EXPECT_THAT(leaf.Subject(), "CN=unit-1");
    iamanager::v6::ApplyCertRequest apply;
    apply.set_type("online");
    apply.set_cert(leaf.Pem());
    iamanager::v6::ApplyCertResponse applied;
    ASSERT_TRUE(Call<IAMCertificateService>(&IAMCertificateService::Stub::ApplyCert, apply, applied).ok());
    EXPECT_EQ(applied.cert_info().serial(), leaf.SerialHex());
    iamanager::v6::FinishProvisioningResponse finished;
    ASSERT_TRUE(Call<IAMProvisioningService>(&IAMProvisioningService::Stub::FinishProvisioning,
                                             iamanager::v6::FinishProvisioningRequest(), finished)
                    .ok());
    EXPECT_EQ(main_node_.StateOf(kFirst), "provisioned");
    iamanager::v6::DeprovisionResponse deprovisioned;
    ASSERT_TRUE(Call<IAMProvisioningService>(&IAMProvisioningService::Stub::Deprovision,
                                             iamanager::v6::DeprovisionRequest(), deprovisioned)
                    .ok());
    EXPECT_EQ(main_node_.StateOf(kFirst), "unprovisioned");
}

TEST_F(FleetTest, RefusesWhatTheStateDoesNotAllow) {
    Start();
    iamanager::v6::PauseNodeResponse paused;
    ASSERT_TRUE(
        Call<IAMNodesService>(&IAMNodesService::Stub::PauseNode, iamanager::v6::PauseNodeRequest(), paused).ok());
    EXPECT_TRUE(paused.has_error());
    EXPECT_EQ(main_node_.StateOf(kFirst), "unprovisioned");
}

TEST_F(FleetTest, AnswersAsNodesOfOtherMakeDo) {
    line_.behaviour.legacy = true;
    Start();
    EXPECT_FALSE(CreateKey().csr().empty());
    EXPECT_TRUE(status_.ok()) << status_.error_message();
}

TEST_F(FleetTest, WaitsBeforeItAnswers) {
    line_.behaviour.latency_min = line_.behaviour.latency_max = absl::Milliseconds(200);
    Start();
    const absl::Time begun = absl::Now();
    EXPECT_FALSE(CreateKey().csr().empty());
    EXPECT_GE(absl::Now() - begun, absl::Milliseconds(200));
}

struct FaultCase {
    const char* name;
    double Faults::*share;
    grpc::StatusCode expected;
};

class FleetFaultTest : public FleetTest, public testing::WithParamInterface<FaultCase> {};

TEST_P(FleetFaultTest, ReachesTheCaller) {
    line_.behaviour.faults.*(GetParam().share) = 1;
    line_.behaviour.faults.late_by = absl::Seconds(3);
    Start();
    CreateKey();
    EXPECT_EQ(status_.error_code(), GetParam().expected) << status_.error_message();
}

INSTANTIATE_TEST_SUITE_P(EachKind, FleetFaultTest,
                         testing::Values(FaultCase{"Never", &Faults::never, grpc::StatusCode::DEADLINE_EXCEEDED},
                                         FaultCase{"Late", &Faults::late, grpc::StatusCode::DEADLINE_EXCEEDED},
                                         FaultCase{"Twice", &Faults::twice, grpc::StatusCode::OK},
                                         FaultCase{"WrongType", &Faults::wrong_type, grpc::StatusCode::INTERNAL},
                                         FaultCase{"Error", &Faults::error, grpc::StatusCode::OK},
                                         FaultCase{"Drop", &Faults::drop, grpc::StatusCode::ABORTED}),
                         [](const auto& info) { return info.param.name; });

TEST_F(FleetTest, ComesBackWhenItsStreamHasEnded) {
    line_.behaviour.faults.drop = 1;
    Start();
    CreateKey();
    EXPECT_TRUE(main_node_.WaitForConnection(kFirst));
    EXPECT_EQ(fleet_->statistics().attempts, 2u);
}

TEST_F(FleetTest, EndsWhileNodesAreConnecting) {
    line_.nodes = 50;
    auto fleet = Fleet::Start(line_);
    ASSERT_TRUE(fleet.ok()) << fleet.status();
    fleet->reset();
}

}  // namespace
}  // namespace provhub::nodesim
