#include "common/node/method_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace provhub::node {
namespace {

TEST(MethodTable, KnowsEveryRequestAndReplyOfTheEnvelopes) {
    const auto* requests = Request::descriptor()->oneof_decl(0);
    ASSERT_EQ(Methods().size(), static_cast<std::size_t>(requests->field_count()));
    for (int i = 0; i < requests->field_count(); ++i) {
        const auto number = static_cast<Request::IAMIncomingMessageCase>(requests->field(i)->number());
        const Method* method = FindByRequest(number);
        ASSERT_NE(method, nullptr) << requests->field(i)->name();
        EXPECT_EQ(absl::StrCat(method->name, "Request"), requests->field(i)->message_type()->name());
        EXPECT_EQ(FindByReply(method->reply_case), method);
        EXPECT_FALSE(method->states.empty());
    }
    EXPECT_EQ(FindByRequest(Request::IAMINCOMINGMESSAGE_NOT_SET), nullptr);
    EXPECT_EQ(FindByReply(Reply::kNodeInfo), nullptr);
}

TEST(MethodTable, ReadsAndWritesTheNodeIdOfEveryRequest) {
    for (const Method& method : Methods()) {
        Request request;
        const auto* field = Request::descriptor()->FindFieldByNumber(method.request_case);
        request.GetReflection()->MutableMessage(&request, field);
        EXPECT_EQ(NodeId(request), "") << method.name;
        SetNodeId(request, "n2");
        EXPECT_EQ(NodeId(request), "n2") << method.name;
        EXPECT_EQ(request.IAMIncomingMessage_case(), method.request_case);
    }
    Request empty;
    SetNodeId(empty, "n2");
    EXPECT_EQ(NodeId(empty), "");
    EXPECT_EQ(empty.IAMIncomingMessage_case(), Request::IAMINCOMINGMESSAGE_NOT_SET);
}

TEST(MethodTable, ReadsTheCertificateTypeWhereThereIsOne) {
    Request create;
    create.mutable_create_key_request()->set_type("iam");
    EXPECT_EQ(CertType(create), "iam");
    Request apply;
    apply.mutable_apply_cert_request()->set_type("online");
    EXPECT_EQ(CertType(apply), "online");
    Request pause;
    pause.mutable_pause_node_request();
    EXPECT_EQ(CertType(pause), "");
}

TEST(MethodTable, SaysAnErrorInTheReplyWhereTheReplyCan) {
    const absl::Status error = absl::PermissionDeniedError("wrong password");
    for (const Method& method : Methods()) {
        const Outcome outcome = ErrorReply(method, error);
        if (method.reply_case == Reply::kCertTypesResponse || method.reply_case == Reply::kListCertificatesResponse) {
            EXPECT_EQ(outcome.status(), error);
            continue;
        }
        ASSERT_TRUE(outcome.ok()) << method.name;
        EXPECT_EQ(outcome->IAMOutgoingMessage_case(), method.reply_case);
        EXPECT_EQ(ReplyStatus(*outcome).message(), "wrong password") << method.name;
    }
}

TEST(MethodTable, KnowsWhatIsNotOfTheContract) {
    EXPECT_TRUE(IsExtension(*FindByRequest(Request::kListCertificatesRequest)));
    EXPECT_FALSE(IsExtension(*FindByRequest(Request::kApplyCertRequest)));
}

TEST(MethodTable, ReadsSuccessFromAReplyWithoutAnErrorOrWithAnEmptyOne) {
    Reply reply;
    EXPECT_TRUE(ReplyStatus(reply).ok());
    reply.mutable_finish_provisioning_response();
    EXPECT_TRUE(ReplyStatus(reply).ok());
    reply.mutable_finish_provisioning_response()->mutable_error();
    EXPECT_TRUE(ReplyStatus(reply).ok());
    reply.mutable_finish_provisioning_response()->mutable_error()->set_message("no");
    EXPECT_FALSE(ReplyStatus(reply).ok());
}

}  // namespace
}  // namespace provhub::node
