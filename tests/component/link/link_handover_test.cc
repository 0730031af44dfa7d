// How a node moves to a new connection when it has a new certificate.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "tests/component/link/link_fixture.h"

namespace provhub::link {
namespace {

class LinkHandoverTest : public LinkFixture {
 protected:
    // Connects to `hub` over a channel that counts as proven, or not.
    std::shared_ptr<test::HubEnd> ConnectProven(test::ScriptedHub& hub, bool proven = true) {
        real_ = runtime::CreateScheduler(2);
        link_ = std::make_unique<HubLink>(
            [address = hub.address(), proven, this](const ConnectRequest& request) -> absl::StatusOr<HubChannel> {
                handovers_ += request.handover ? 1 : 0;
                return OpenChannel({.address = address,
                                    .transport = "test",
                                    .credentials = grpc::InsecureChannelCredentials(),
                                    .proven = proven},
                                   request.timeout);
            },
            [this] { return info_; }, operations_, *real_, Options());
        return Admit(hub);
    }

    ~LinkHandoverTest() override { link_.reset(); }

    std::unique_ptr<runtime::Scheduler> real_;
    std::atomic<int> handovers_ = 0;
};

TEST_F(LinkHandoverTest, OpensTheNewStreamBeforeTheOldOneEnds) {
    test::ScriptedHub hub;
    const auto old = ConnectProven(hub);
    EXPECT_EQ(old->Metadata("provhub-handover"), "");
    // Until the link knows that it is admitted it has nothing to hand over.
    std::shared_ptr<test::HubEnd> next;
    while (next == nullptr) {
        link_->Renew();
        next = hub.Accept(absl::Milliseconds(100));
    }
    EXPECT_EQ(next->Metadata("provhub-handover"), "1");
    ASSERT_TRUE(next->Receive());
    next->Admit();
    EXPECT_FALSE(old->WaitUntilNodeEnded(absl::Milliseconds(100)));
    old->End(grpc::Status::OK);
    next->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone"));
    EXPECT_NE(hub.Accept(), nullptr);
}

TEST_F(LinkHandoverTest, KeepsTheOldStreamWhereTheNewOneFails) {
    test::ScriptedHub hub;
    const auto old = ConnectProven(hub);
    hub.Refuse(grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "no"));
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    while (handovers_ < 2 && absl::Now() < deadline) {
        link_->Renew();
        absl::SleepFor(absl::Milliseconds(5));
    }
    EXPECT_GE(handovers_, 2);
    EXPECT_FALSE(old->WaitUntilNodeEnded(absl::Milliseconds(50)));
}

TEST_F(LinkHandoverTest, LeavesAConnectionThatProvesNothing) {
    test::ScriptedHub hub;
    const auto old = ConnectProven(hub, /*proven=*/false);
    link_->Renew();
    EXPECT_EQ(hub.Accept(absl::Milliseconds(100)), nullptr);
    EXPECT_EQ(handovers_, 0);
}

}  // namespace
}  // namespace provhub::link
