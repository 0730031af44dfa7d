#include "common/status/status.h"

#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include <utility>

#include "absl/strings/cord.h"
#include "common/v2/common.pb.h"

namespace provhub::status {
namespace {

using absl::StatusCode;

constexpr StatusCode kErrors[] = {
    StatusCode::kCancelled,        StatusCode::kUnknown,           StatusCode::kInvalidArgument,
    StatusCode::kDeadlineExceeded, StatusCode::kNotFound,          StatusCode::kAlreadyExists,
    StatusCode::kPermissionDenied, StatusCode::kResourceExhausted, StatusCode::kFailedPrecondition,
    StatusCode::kAborted,          StatusCode::kOutOfRange,        StatusCode::kUnimplemented,
    StatusCode::kInternal,         StatusCode::kUnavailable,       StatusCode::kDataLoss,
    StatusCode::kUnauthenticated};

TEST(Annotate, PutsContextBeforeTheMessageAndKeepsTheRest) {
    absl::Status inner = absl::NotFoundError("no token");
    inner.SetPayload("type", absl::Cord("payload"));
    const absl::Status outer = Annotate(inner, "CreateKey(iam)");
    EXPECT_EQ(outer.code(), StatusCode::kNotFound);
    EXPECT_EQ(outer.message(), "CreateKey(iam): no token");
    EXPECT_EQ(*outer.GetPayload("type"), "payload");
    EXPECT_TRUE(Annotate(absl::OkStatus(), "anything").ok());
}

TEST(ErrorInfo, CarriesTheCodesOfTheContract) {
    const std::pair<StatusCode, int> codes[] = {
        {StatusCode::kUnknown, 1},          {StatusCode::kInternal, 2},       {StatusCode::kResourceExhausted, 3},
        {StatusCode::kOutOfRange, 4},       {StatusCode::kNotFound, 5},       {StatusCode::kInvalidArgument, 6},
        {StatusCode::kDeadlineExceeded, 7}, {StatusCode::kAlreadyExists, 8},  {StatusCode::kFailedPrecondition, 9},
        {StatusCode::kDataLoss, 10},        {StatusCode::kUnimplemented, 12}, {StatusCode::kCancelled, 14}};
    for (const auto& [code, aos_code] : codes) {
        const auto error = ToErrorInfo(absl::Status(code, "why"));
        EXPECT_EQ(error.aos_code(), aos_code);
        EXPECT_EQ(error.message(), "why");
        EXPECT_EQ(error.exit_code(), 0);
        EXPECT_EQ(FromErrorInfo(error), absl::Status(code, "why"));
    }
}

TEST(ErrorInfo, NeverSpellsAnErrorAsSuccess) {
    for (const StatusCode code : kErrors) {
        const auto error = ToErrorInfo(absl::Status(code, ""));
        EXPECT_GT(error.aos_code(), 0) << absl::StatusCodeToString(code);
        EXPECT_FALSE(FromErrorInfo(error).ok());
    }
}

TEST(ErrorInfo, ReadsEveryCodeThatAPeerMaySend) {
    ::common::v2::ErrorInfo error;
    EXPECT_TRUE(FromErrorInfo(error).ok());
    for (const int code : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1000, -1}) {
        error.set_aos_code(code);
        EXPECT_FALSE(FromErrorInfo(error).ok()) << code;
    }
    EXPECT_EQ(FromErrorInfo(error).code(), StatusCode::kUnknown);
}

TEST(ErrorInfo, TakesACodeOfZeroWithAMessageOrAnExitStatusAsAFailure) {
    ::common::v2::ErrorInfo error;
    error.set_message("something");
    EXPECT_EQ(FromErrorInfo(error).message(), "something");
    error.clear_message();
    error.set_exit_code(3);
    EXPECT_FALSE(FromErrorInfo(error).ok());
}

TEST(ErrorInfo, CarriesTheExitStatusOfAHookThroughAnnotations) {
    absl::Status status = absl::UnknownError("finish hook");
    SetExitCode(status, 17);
    const auto error = ToErrorInfo(Annotate(status, "node n2"));
    EXPECT_EQ(error.exit_code(), 17);
    EXPECT_EQ(error.message(), "node n2: finish hook");
    EXPECT_EQ(ToErrorInfo(FromErrorInfo(error)).exit_code(), 17);
}

TEST(GrpcStatus, HasTheSameCodesAndMessages) {
    for (const StatusCode code : kErrors) {
        const grpc::Status status = ToGrpc(absl::Status(code, "why"));
        EXPECT_EQ(static_cast<int>(status.error_code()), static_cast<int>(code));
        EXPECT_EQ(status.error_message(), "why");
        EXPECT_EQ(FromGrpc(status), absl::Status(code, "why"));
    }
    EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
    EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
}

}  // namespace
}  // namespace provhub::status
