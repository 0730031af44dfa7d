#include "secondarynode/link/hub_link.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/component/link/link_fixture.h"

namespace provhub::link {
namespace {

using HubLinkConnection = LinkFixture;
using testing::Le;

// Accepts connections and never says anything.
class SilentServer {
 public:
    SilentServer() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
        EXPECT_EQ(::listen(socket_, 8), 0);
        socklen_t size = sizeof(address);
        EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
        port_ = ntohs(address.sin_port);
    }
    ~SilentServer() { ::close(socket_); }

    std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
    const int socket_;
    int port_ = 0;
};

TEST_F(HubLinkConnection, AnnouncesTheProtocolAndSendsNodeInfoFirst) {
    test::ScriptedHub hub;
    StartLink(hub.address());
    const auto stream = hub.Accept();
    ASSERT_NE(stream, nullptr);
    EXPECT_EQ(stream->Metadata("provhub-protocol"), "1");
    const auto first = stream->Receive();
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(first->node_info().node_id(), "n1");
    EXPECT_EQ(first->node_info().state(), "unprovisioned");
    EXPECT_EQ(first->request_id(), 0U);
}

TEST_F(HubLinkConnection, SendsNodeInfoAgainWhenItHasChanged) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    ChangeState("provisioned");
    const auto message = stream->Receive();
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->node_info().state(), "provisioned");
}

TEST_F(HubLinkConnection, SendsTheNewestNodeInfoLastWhenChangesComeFasterThanTheyAreWritten) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    for (int i = 0; i < 1000; ++i) {
        ChangeState(absl::StrCat("state ", i));
    }
    int received = 0;
    std::string state;
    while (state != "state 999") {
        const auto message = stream->Receive();
        ASSERT_TRUE(message.has_value());
        state = message->node_info().state();
        ++received;
    }
    EXPECT_THAT(received, Le(1000));
    EXPECT_EQ(stream->Receive(absl::Milliseconds(50)), std::nullopt);
}

TEST_F(HubLinkConnection, SendsNodeInfoOfAChangeBeforeTheAnswerOfTheOperationThatMadeIt) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    for (std::uint64_t id = 1; id <= 50; ++id) {
        stream->Send(CreateKey(id, "iam"));
        const auto call = NextCall();
        ChangeState(absl::StrCat("state ", id));
        call->done(CreatedKey("iam"));
        const auto change = stream->Receive();
        ASSERT_TRUE(change.has_value());
        EXPECT_EQ(change->node_info().state(), absl::StrCat("state ", id));
        const auto answer = stream->Receive();
        ASSERT_TRUE(answer.has_value());
        EXPECT_EQ(answer->request_id(), id);
    }
}

TEST_F(HubLinkConnection, RegistersAgainWhenTheHubHasRestarted) {
    auto hub = std::make_unique<test::ScriptedHub>();
    const int port = hub->port();
    Connect(*hub);
    hub = nullptr;
    ASSERT_TRUE(WaitForTimer(absl::Seconds(1)));
    hub = std::make_unique<test::ScriptedHub>(port);
    scheduler_.Advance(absl::Seconds(1));
    const auto stream = hub->Accept();
    ASSERT_NE(stream, nullptr);
    EXPECT_TRUE(stream->Receive()->has_node_info());
}

TEST_F(HubLinkConnection, WaitsTwiceAsLongAfterEachFailureUpToTheBound) {
    StartLink(absl::StrCat("127.0.0.1:", test::UnusedPort()));
    for (const int seconds : {1, 2, 4, 8, 10, 10}) {
        EXPECT_TRUE(WaitForTimer(absl::Seconds(seconds)));
        scheduler_.Advance(absl::Seconds(seconds));
    }
}

TEST_F(HubLinkConnection, WaitsLongerAfterEachStreamThatTheHubEndsAtOnce) {
    test::ScriptedHub hub;
    hub.Refuse(grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "this unit is full"));
    StartLink(hub.address());
    for (const int seconds : {1, 2, 4}) {
        ASSERT_NE(hub.Accept(), nullptr);
        ASSERT_TRUE(WaitForTimer(absl::Seconds(seconds)));
        scheduler_.Advance(absl::Seconds(seconds));
    }
}

TEST_F(HubLinkConnection, StartsAgainWithAShortWaitAfterAStableStream) {
    auto hub = std::make_unique<test::ScriptedHub>();
    const std::string address = hub->address();
    const int port = hub->port();
    hub = nullptr;
    StartLink(address);
    for (const int seconds : {1, 2, 4}) {
        ASSERT_TRUE(WaitForTimer(absl::Seconds(seconds)));
        if (seconds == 4) {
            hub = std::make_unique<test::ScriptedHub>(port);
        }
        scheduler_.Advance(absl::Seconds(seconds));
    }
    const auto stream = Admit(*hub);
    ASSERT_TRUE(WaitForTimer(Options().stable_after));
    scheduler_.Advance(Options().stable_after);
    stream->End(grpc::Status::OK);
    EXPECT_TRUE(WaitForTimer(absl::Seconds(1)));
}

TEST_F(HubLinkConnection, TakesAHubThatAcknowledgesNothingForConnected) {
    test::ScriptedHub hub;
    hub.Refuse(grpc::Status(grpc::StatusCode::UNAVAILABLE, "starting"));
    StartLink(hub.address());
    ASSERT_NE(hub.Accept(), nullptr);
    ASSERT_TRUE(WaitForTimer(absl::Seconds(1)));
    hub.Refuse(std::nullopt);
    scheduler_.Advance(absl::Seconds(1));
    const auto stream = hub.Accept();
    ASSERT_TRUE(stream->Receive().has_value());
    ASSERT_TRUE(WaitForTimer(Options().stable_after));
    scheduler_.Advance(Options().stable_after);
    stream->End(grpc::Status::OK);
    EXPECT_TRUE(WaitForTimer(absl::Seconds(1)));
}

TEST_F(HubLinkConnection, EndsAtOnceWhileItIsConnecting) {
    SilentServer server;
    StartLink(server.address());
    const absl::Time begun = absl::Now();
    link_ = nullptr;
    EXPECT_THAT(absl::Now() - begun, Le(absl::Seconds(1)));
}

TEST_F(HubLinkConnection, GivesUpOnAConnectionThatIsNotMade) {
    SilentServer server;
    StartLink(server.address());
    EXPECT_TRUE(WaitForTimer(absl::Seconds(1)));
}

TEST_F(HubLinkConnection, EndsWhileItWaitsForTheNextAttempt) {
    StartLink(absl::StrCat("127.0.0.1:", test::UnusedPort()));
    ASSERT_TRUE(WaitForTimer(absl::Seconds(1)));
    link_ = nullptr;
    EXPECT_EQ(scheduler_.armed(), 0U);
}

TEST_F(HubLinkConnection, EndsWhileOperationsRun) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    stream->Send(CreateKey(1, "iam"));
    stream->Send(CreateKey(0, "sm"));
    const auto first = NextCall();
    const auto second = NextCall();
    link_ = nullptr;
    EXPECT_TRUE(stream->WaitUntilNodeEnded());
    EXPECT_TRUE(first->context.cancelled.stop_requested());
    EXPECT_TRUE(second->context.cancelled.stop_requested());
    first->done(CreatedKey("iam"));
    second->done(CreatedKey("sm"));
}

TEST_F(HubLinkConnection, AnswersWhatRunsAndRefusesWhatIsNewBeforeItDrains) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    stream->Send(CreateKey(1, "iam"));
    const auto running = NextCall();
    std::thread drain([this] { link_->Drain(absl::Seconds(10)); });
    // What is sent once the node drains is refused; before that it would be begun.
    std::uint64_t id = 2;
    stream->Send(CreateKey(id, "sm"));
    while (const auto begun = operations_.Next(absl::Milliseconds(100))) {
        begun->done(CreatedKey("sm"));
        ASSERT_TRUE(stream->Receive().has_value());
        stream->Send(CreateKey(++id, "sm"));
    }
    const auto refused = stream->Receive();
    ASSERT_TRUE(refused.has_value());
    EXPECT_EQ(refused->request_id(), id);
    EXPECT_EQ(refused->status_code(), static_cast<int>(absl::StatusCode::kUnavailable));
    running->done(CreatedKey("iam"));
    const auto answer = stream->Receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->request_id(), 1U);
    EXPECT_TRUE(stream->WaitUntilNodeEnded());
    stream->End(grpc::Status::OK);
    drain.join();
    EXPECT_EQ(scheduler_.armed(), 0U);
}

TEST_F(HubLinkConnection, CutsOffWhatHasNotEndedWhenTheTimeToDrainIsUp) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    stream->Send(CreateKey(1, "iam"));
    const auto running = NextCall();
    link_->Drain(absl::Milliseconds(50));
    EXPECT_TRUE(running->context.cancelled.stop_requested());
    EXPECT_TRUE(stream->WaitUntilNodeEnded());
    running->done(CreatedKey("iam"));
    EXPECT_EQ(scheduler_.armed(), 0U);
}

}  // namespace
}  // namespace provhub::link
