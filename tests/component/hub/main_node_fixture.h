// A main node on the loopback interface whose own operations, and whose agents, the test plays.
#ifndef PROVHUB_TESTS_COMPONENT_HUB_MAIN_NODE_FIXTURE_H_
#define PROVHUB_TESTS_COMPONENT_HUB_MAIN_NODE_FIXTURE_H_

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "iamanager/v6/iamanager.grpc.pb.h"
#include "mainnode/main_node.h"
#include "provhub/v1/provhub.grpc.pb.h"
#include "tests/support/fake_core.h"
#include "tests/support/scripted_agent.h"
#include "tests/support/temp_dir.h"

namespace provhub {

// What a unary call gave.
template <typename Response>
struct Result {
    grpc::Status status;
    Response response;
};

inline bool Eventually(const std::function<bool()>& condition, absl::Duration limit = absl::Seconds(10)) {
    const absl::Time deadline = absl::Now() + limit;
    while (!condition()) {
        if (absl::Now() > deadline) {
            return false;
        }
        absl::SleepFor(absl::Milliseconds(2));
    }
    return true;
}

class MainNodeFixture : public testing::Test {
 protected:
    using KeyResult = Result<iamanager::v6::CreateKeyResponse>;
    using FinishResult = Result<iamanager::v6::FinishProvisioningResponse>;
    using TypesResult = Result<iamanager::v6::CertTypes>;

    // Options are the derived fixture's, or the test's before Start, to change.
    MainNodeFixture() {
        options_.registry_path = dir_.File("nodes.db");
        options_.join_tokens_path = dir_.File("nodes_tokens.db");
        options_.join_tokens_path = dir_.File("join_tokens.db");
        options_.public_address = "127.0.0.1:0";
        options_.protected_address = "127.0.0.1:0";
        options_.provisioning_mode = true;
    }

    void SetUp() override { Start(); }

    void Start() {
        main_node_.reset();
        auto started =
            MainNode::Start(options_, {grpc::InsecureServerCredentials(), grpc::InsecureServerCredentials(), ""}, core_,
                            identity_, *scheduler_);
        ASSERT_TRUE(started.ok()) << started.status();
        main_node_ = *std::move(started);
    }

    std::string PublicAddress() const { return absl::StrCat("127.0.0.1:", main_node_->public_port()); }
    std::string ProtectedAddress() const { return absl::StrCat("127.0.0.1:", main_node_->protected_port()); }

    std::shared_ptr<grpc::Channel> Connect(const std::string& address) const {
        grpc::ChannelArguments arguments;
        arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
        // Otherwise gRPC takes in megabytes that the test has not read.
        arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
        return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
    }

    // An agent that is admitted.
    std::unique_ptr<test::ScriptedAgent> Agent(const std::string& node_id, test::AgentOptions options = {}) const {
        return std::make_unique<test::ScriptedAgent>(PublicAddress(), test::AgentInfo(node_id), options);
    }

    static iamanager::v6::CreateKeyRequest KeyRequest(const std::string& node_id, const std::string& type) {
        iamanager::v6::CreateKeyRequest request;
        request.set_node_id(node_id);
        request.set_type(type);
        request.set_subject("subject");
        return request;
    }

    KeyResult CreateKeyNow(const iamanager::v6::CreateKeyRequest& request, absl::Duration limit = absl::Seconds(30),
                           grpc::ClientContext* context = nullptr) const {
        grpc::ClientContext own;
        KeyResult result;
        auto& used = context == nullptr ? own : *context;
        used.set_deadline(absl::ToChronoTime(absl::Now() + limit));
        result.status =
            iamanager::v6::IAMCertificateService::NewStub(protected_)->CreateKey(&used, request, &result.response);
        return result;
    }

    std::future<KeyResult> CreateKey(const std::string& node_id, const std::string& type,
                                     absl::Duration limit = absl::Seconds(30), grpc::ClientContext* context = nullptr) {
        EnsureChannel();
        return std::async(std::launch::async, [this, request = KeyRequest(node_id, type), limit, context] {
            return CreateKeyNow(request, limit, context);
        });
    }

    std::future<FinishResult> Finish(const std::string& node_id, absl::Duration limit = absl::Seconds(30)) {
        EnsureChannel();
        return std::async(std::launch::async, [this, node_id, limit] {
            grpc::ClientContext context;
            context.set_deadline(absl::ToChronoTime(absl::Now() + limit));
            iamanager::v6::FinishProvisioningRequest request;
            request.set_node_id(node_id);
            FinishResult result;
            result.status = iamanager::v6::IAMProvisioningService::NewStub(protected_)
                                ->FinishProvisioning(&context, request, &result.response);
            return result;
        });
    }

    std::future<TypesResult> GetCertTypes(const std::string& node_id, absl::Duration limit = absl::Seconds(30)) {
        EnsureChannel();
        return std::async(std::launch::async, [this, node_id, limit] {
            grpc::ClientContext context;
            context.set_deadline(absl::ToChronoTime(absl::Now() + limit));
            iamanager::v6::GetCertTypesRequest request;
            request.set_node_id(node_id);
            TypesResult result;
            result.status = iamanager::v6::IAMProvisioningService::NewStub(protected_)
                                ->GetCertTypes(&context, request, &result.response);
            return result;
        });
    }

    using ListResult = Result<provhub::v1::ListCertificatesResponse>;

    std::future<ListResult> ListCertificates(const std::string& node_id, absl::Duration limit = absl::Seconds(30)) {
        EnsureChannel();
        return std::async(std::launch::async, [this, node_id, limit] {
            grpc::ClientContext context;
            context.set_deadline(absl::ToChronoTime(absl::Now() + limit));
            provhub::v1::ListCertificatesRequest request;
            request.set_node_id(node_id);
            ListResult result;
            result.status = provhub::v1::InspectionService::NewStub(protected_)
                                ->ListCertificates(&context, request, &result.response);
            return result;
        });
    }

    void EnsureChannel() {
        if (protected_ == nullptr) {
            protected_ = Connect(ProtectedAddress());
        }
    }

    bool IsConnected(const std::string& node_id) const {
        const auto node = main_node_->registry().Find(node_id);
        return node != nullptr && node->connected();
    }
    std::string StateOf(const std::string& node_id) const {
        return main_node_->registry().Find(node_id)->info().state();
    }

    static node::Reply CsrReply(const node::Request& request, const std::string& csr) {
        node::Reply reply = test::SuccessReply(request);
        reply.mutable_create_key_response()->set_csr(csr);
        return reply;
    }

    test::TempDir dir_;
    MainNodeOptions options_;
    std::unique_ptr<runtime::Scheduler> scheduler_ = runtime::CreateScheduler(4);
    test::FakeCore core_{"main"};
    test::FakeIdentity identity_;
    std::unique_ptr<MainNode> main_node_;
    std::shared_ptr<grpc::Channel> protected_;
};

}  // namespace provhub

#endif  // PROVHUB_TESTS_COMPONENT_HUB_MAIN_NODE_FIXTURE_H_
