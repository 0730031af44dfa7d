// A HubLink between a scripted hub and scripted operations.
#ifndef PROVHUB_TESTS_COMPONENT_LINK_LINK_FIXTURE_H_
#define PROVHUB_TESTS_COMPONENT_LINK_LINK_FIXTURE_H_

#include <gmock/gmock.h>
#include <grpcpp/security/credentials.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "secondarynode/link/hub_channel.h"
#include "secondarynode/link/hub_link.h"
#include "tests/support/manual_scheduler.h"
#include "tests/support/scripted_endpoint.h"
#include "tests/support/scripted_hub.h"

namespace provhub::link {

class LinkFixture : public testing::Test {
 protected:
    LinkFixture() {
        info_.set_node_id("n1");
        info_.set_state("unprovisioned");
    }

    // The back-off is drawn at its longest, so that a test knows it.
    static HubLinkOptions Options() {
        HubLinkOptions options;
        options.random = [] { return 1.0; };
        return options;
    }

    void StartLink(const std::string& address) {
        link_ = std::make_unique<HubLink>(
            ConnectTo(
                {.address = address, .transport = "plaintext", .credentials = grpc::InsecureChannelCredentials()}),
            [this] {
                absl::MutexLock lock(&info_mutex_);
                return info_;
            },
            operations_, scheduler_, Options());
    }

    void ChangeState(const std::string& state) {
        {
            absl::MutexLock lock(&info_mutex_);
            info_.set_state(state);
        }
        link_->NodeChanged();
    }

    // Takes the next stream of the link, its NodeInfo, and admits it.
    std::shared_ptr<test::HubEnd> Admit(test::ScriptedHub& hub) {
        auto stream = hub.Accept();
        if (stream != nullptr && stream->Receive().has_value()) {
            stream->Admit();
            return stream;
        }
        ADD_FAILURE() << "the link has not registered";
        std::abort();
    }

    std::shared_ptr<test::HubEnd> Connect(test::ScriptedHub& hub) {
        StartLink(hub.address());
        return Admit(hub);
    }

    // Whether the next timer falls due after `delay`, if not at once then soon.
    bool WaitForTimer(absl::Duration delay) {
        const absl::Time deadline = absl::Now() + absl::Seconds(10);
        while (scheduler_.NextDue() != delay) {
            if (absl::Now() > deadline) {
                return false;
            }
            std::this_thread::yield();
        }
        return true;
    }

    std::unique_ptr<test::ScriptedCall> NextCall() {
        auto call = operations_.Next();
        if (call == nullptr) {
            ADD_FAILURE() << "no operation was begun";
            std::abort();
        }
        return call;
    }

    static node::Request CreateKey(std::uint64_t id, const std::string& type) {
        node::Request request;
        request.set_request_id(id);
        request.mutable_create_key_request()->set_type(type);
        return request;
    }

    static node::Reply CreatedKey(const std::string& type) {
        node::Reply reply;
        reply.mutable_create_key_response()->set_type(type);
        return reply;
    }

    test::ManualScheduler scheduler_;
    test::ScriptedEndpoint operations_;
    absl::Mutex info_mutex_;
    iamanager::v6::NodeInfo info_ ABSL_GUARDED_BY(info_mutex_);
    std::unique_ptr<HubLink> link_;
};

}  // namespace provhub::link

#endif  // PROVHUB_TESTS_COMPONENT_LINK_LINK_FIXTURE_H_
