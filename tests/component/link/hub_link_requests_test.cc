#include <gmock/gmock.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <array>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status/status.h"
#include "secondarynode/link/stream_requests.h"
#include "tests/component/link/link_fixture.h"

namespace provhub::link {
namespace {

using HubLinkRequests = LinkFixture;

TEST_F(HubLinkRequests, RunSideBySideAndAreAnsweredUnderTheirOwnNumberInAnyOrder) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    constexpr int kCount = 20;
    std::map<std::string, std::unique_ptr<test::ScriptedCall>> calls;
    for (int i = 1; i <= kCount; ++i) {
        stream->Send(CreateKey(i, absl::StrCat("type", i)));
    }
    for (int i = 1; i <= kCount; ++i) {
        auto call = NextCall();
        calls[call->request.create_key_request().type()] = std::move(call);
    }
    for (int i = kCount; i >= 1; --i) {
        const std::string type = absl::StrCat("type", i);
        calls.at(type)->done(CreatedKey(type));
        const auto answer = stream->Receive();
        ASSERT_TRUE(answer.has_value());
        EXPECT_EQ(answer->request_id(), static_cast<std::uint64_t>(i));
        EXPECT_EQ(answer->create_key_response().type(), type);
        EXPECT_EQ(answer->status_code(), 0);
    }
}

TEST_F(HubLinkRequests, CarryTheTimeThatTheCallerStillWaits) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    const auto deadline = [&](std::uint64_t timeout_ms) {
        static std::uint64_t id = 0;
        auto request = CreateKey(++id, "iam");
        request.set_timeout_ms(timeout_ms);
        stream->Send(request);
        return NextCall()->context.deadline;
    };
    EXPECT_EQ(deadline(1500), scheduler_.Now() + absl::Milliseconds(1500));
    EXPECT_EQ(deadline(0), scheduler_.Now() + absl::Minutes(5));
    EXPECT_EQ(deadline(~std::uint64_t{0}), absl::InfiniteFuture());
}

TEST_F(HubLinkRequests, CarryTheOperationAndNothingElseOfTheEnvelope) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    auto request = CreateKey(7, "iam");
    request.set_timeout_ms(1000);
    request.set_operation_id("op-1");
    stream->Send(request);
    const auto call = NextCall();
    EXPECT_EQ(call->context.operation_id, "op-1");
    EXPECT_EQ(call->request.request_id(), 0U);
    EXPECT_EQ(call->request.timeout_ms(), 0U);
    EXPECT_EQ(call->request.operation_id(), "");
}

TEST_F(HubLinkRequests, AreAskedToStopWhenTheirCallerHasGone) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    stream->Send(CreateKey(1, "iam"));
    stream->Send(CreateKey(2, "sm"));
    const auto first = NextCall();
    const auto second = NextCall();
    node::Request cancel;
    cancel.set_cancel(true);
    cancel.set_request_id(3);
    stream->Send(cancel);
    cancel.set_request_id(2);
    stream->Send(cancel);
    // Messages are taken in order: once this one is, the cancellations are.
    stream->Send(CreateKey(4, "last"));
    NextCall();
    EXPECT_FALSE(first->context.cancelled.stop_requested());
    EXPECT_TRUE(second->context.cancelled.stop_requested());
    second->done(absl::CancelledError("the caller has gone"));
    const auto answer = stream->Receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->request_id(), 2U);
}

TEST_F(HubLinkRequests, ThatCannotBeCarriedAreAnsweredWithTheirStatus) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    stream->Send(CreateKey(5, "iam"));
    NextCall()->done(absl::DeadlineExceededError("no time left"));
    const auto answer = stream->Receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->request_id(), 5U);
    EXPECT_EQ(answer->status_code(), static_cast<int>(absl::StatusCode::kDeadlineExceeded));
    EXPECT_EQ(answer->status_message(), "no time left");
    EXPECT_EQ(answer->IAMOutgoingMessage_case(), node::Reply::IAMOUTGOINGMESSAGE_NOT_SET);
}

TEST_F(HubLinkRequests, ThatUseANumberWhichIsOpenAreIgnored) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    stream->Send(CreateKey(1, "iam"));
    stream->Send(CreateKey(1, "sm"));
    stream->Send(CreateKey(2, "last"));
    const auto first = NextCall();
    EXPECT_EQ(first->request.create_key_request().type(), "iam");
    EXPECT_EQ(NextCall()->request.create_key_request().type(), "last");
    first->done(CreatedKey("iam"));
    EXPECT_EQ(stream->Receive()->create_key_response().type(), "iam");
}

TEST_F(HubLinkRequests, ThatTheNodeDoesNotKnowAreAnsweredUnimplemented) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    node::Request unknown;
    unknown.GetReflection()->MutableUnknownFields(&unknown)->AddLengthDelimited(50, "of a newer version");
    stream->Send(unknown);
    unknown.set_request_id(9);
    stream->Send(unknown);
    const auto answer = stream->Receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->request_id(), 9U);
    EXPECT_EQ(answer->status_code(), static_cast<int>(absl::StatusCode::kUnimplemented));
    EXPECT_EQ(operations_.waiting(), 0U);
}

TEST_F(HubLinkRequests, WithoutANumberRunOneAfterTheOtherInTheirOrder) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    for (int i = 0; i < 5; ++i) {
        stream->Send(CreateKey(0, absl::StrCat("type", i)));
    }
    // Taken beside the others; by then those are known to have been received.
    stream->Send(CreateKey(1, "numbered"));
    auto running = NextCall();
    EXPECT_EQ(NextCall()->request.create_key_request().type(), "numbered");
    for (int i = 0; i < 5; ++i) {
        const std::string type = absl::StrCat("type", i);
        EXPECT_EQ(operations_.waiting(), 0U);
        EXPECT_EQ(running->request.create_key_request().type(), type);
        running->done(CreatedKey(type));
        const auto answer = stream->Receive();
        ASSERT_TRUE(answer.has_value());
        EXPECT_EQ(answer->request_id(), 0U);
        EXPECT_EQ(answer->create_key_response().type(), type);
        if (i < 4) {
            running = NextCall();
        }
    }
}

TEST_F(HubLinkRequests, WithoutANumberAreAnsweredOnceEachWhenTheyEndAtOnce) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    operations_.AnswerAtOnce(
        [](const node::Request& request) -> node::Outcome { return CreatedKey(request.create_key_request().type()); });
    for (int i = 0; i < 500; ++i) {
        stream->Send(CreateKey(0, absl::StrCat("type", i)));
    }
    for (int i = 0; i < 500; ++i) {
        const auto answer = stream->Receive();
        ASSERT_TRUE(answer.has_value());
        EXPECT_EQ(answer->create_key_response().type(), absl::StrCat("type", i));
    }
}

TEST_F(HubLinkRequests, WithoutANumberThatCannotBeCarriedAreAnsweredInTheShapeOfTheirType) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    stream->Send(CreateKey(0, "iam"));
    node::Request types;
    types.mutable_get_cert_types_request();
    stream->Send(types);
    NextCall()->done(absl::DeadlineExceededError("no time left"));
    const auto key = stream->Receive();
    ASSERT_TRUE(key.has_value());
    EXPECT_EQ(key->create_key_response().error().message(), "no time left");
    EXPECT_EQ(key->status_code(), 0);
    NextCall()->done(absl::DeadlineExceededError("no time left"));
    const auto list = stream->Receive();
    ASSERT_TRUE(list.has_value());
    EXPECT_TRUE(list->has_cert_types_response());
    EXPECT_EQ(list->status_code(), 0);
}

TEST_F(HubLinkRequests, OfALostStreamGoOnAndTheirAnswersGoNowhere) {
    test::ScriptedHub hub;
    const auto lost = Connect(hub);
    lost->Send(CreateKey(1, "iam"));
    lost->Send(CreateKey(0, "sm"));
    lost->Send(CreateKey(0, "never begun"));
    // Messages are taken in order.
    lost->Send(CreateKey(2, "last"));
    std::array<std::unique_ptr<test::ScriptedCall>, 3> calls;
    for (auto& call : calls) {
        call = NextCall();
    }
    lost->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down"));
    ASSERT_TRUE(WaitForTimer(absl::Seconds(1)));
    for (const auto& call : calls) {
        EXPECT_TRUE(call->context.cancelled.stop_requested());
    }
    scheduler_.Advance(absl::Seconds(1));
    const auto stream = Admit(hub);
    for (const auto& call : calls) {
        call->done(CreatedKey(call->request.create_key_request().type()));
    }
    // The number is free on the new stream, and its answer is the only one.
    stream->Send(CreateKey(1, "new"));
    const auto call = NextCall();
    EXPECT_EQ(call->request.create_key_request().type(), "new");
    call->done(CreatedKey("new"));
    const auto answer = stream->Receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->create_key_response().type(), "new");
    EXPECT_EQ(operations_.waiting(), 0U);
}

TEST_F(HubLinkRequests, BeyondWhatANodeTakesAtATimeAreRefused) {
    test::ScriptedHub hub;
    const auto stream = Connect(hub);
    for (std::uint64_t id = 1; id <= StreamRequests::kMaxOpen + 1; ++id) {
        stream->Send(CreateKey(id, "iam"));
    }
    const auto answer = stream->Receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->request_id(), StreamRequests::kMaxOpen + 1);
    EXPECT_EQ(answer->status_code(), static_cast<int>(absl::StatusCode::kResourceExhausted));
    EXPECT_EQ(operations_.waiting(), StreamRequests::kMaxOpen);
}

// Sends bytes that are no message at all on every stream.
class GarbageHub final : public grpc::CallbackGenericService {
 public:
    GarbageHub() {
        grpc::ServerBuilder builder;
        builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
        builder.RegisterCallbackGenericService(this);
        server_ = builder.BuildAndStart();
    }
    ~GarbageHub() override { server_->Shutdown(absl::ToChronoTime(absl::Now())); }

    std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
    class Stream final : public grpc::ServerGenericBidiReactor {
     public:
        Stream() { StartWrite(&garbage_); }
        void OnCancel() override { Finish(grpc::Status::CANCELLED); }
        void OnDone() override { delete this; }

     private:
        const grpc::Slice slice_{"\xff\xff\xff\xff no message"};
        const grpc::ByteBuffer garbage_{&slice_, 1};
    };

    grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override { return new Stream; }

    int port_ = 0;
    std::unique_ptr<grpc::Server> server_;
};

TEST_F(HubLinkRequests, ThatAreNoMessageEndTheStream) {
    GarbageHub hub;
    StartLink(hub.address());
    // The hub leaves the stream open, so that the link has to cut it.
    ASSERT_TRUE(WaitForTimer(absl::Milliseconds(500)));
    scheduler_.Advance(absl::Milliseconds(500));
    ASSERT_TRUE(WaitForTimer(absl::Seconds(1)));
    EXPECT_EQ(operations_.waiting(), 0U);
}

}  // namespace
}  // namespace provhub::link
