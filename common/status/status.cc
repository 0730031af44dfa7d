#include "common/status/status.h"

#include <grpcpp/support/status.h>

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/v2/common.pb.h"

namespace provhub::status {
namespace {

constexpr absl::string_view kExitCodePayload = "provhub/exit-code";

struct Row {
    absl::StatusCode code;
    int aos_code;
};

// Read from code to aos_code by the first row of the code, from aos_code to code by the first row of the aos_code.
constexpr std::array kTable = {
    Row{absl::StatusCode::kUnknown, 1},         Row{absl::StatusCode::kInternal, 2},
    Row{absl::StatusCode::kUnavailable, 2},     Row{absl::StatusCode::kResourceExhausted, 3},
    Row{absl::StatusCode::kOutOfRange, 4},      Row{absl::StatusCode::kNotFound, 5},
    Row{absl::StatusCode::kInvalidArgument, 6}, Row{absl::StatusCode::kDeadlineExceeded, 7},
    Row{absl::StatusCode::kAlreadyExists, 8},   Row{absl::StatusCode::kFailedPrecondition, 9},
    Row{absl::StatusCode::kDataLoss, 10},       Row{absl::StatusCode::kFailedPrecondition, 11},
    Row{absl::StatusCode::kUnimplemented, 12},  Row{absl::StatusCode::kOutOfRange, 13},
    Row{absl::StatusCode::kCancelled, 14},      Row{absl::StatusCode::kPermissionDenied, 1},
    Row{absl::StatusCode::kUnauthenticated, 1}, Row{absl::StatusCode::kAborted, 1},
};

constexpr int kAosFailed = 1;

}  // namespace

absl::Status Annotate(const absl::Status& status, absl::string_view context) {
    if (status.ok()) {
        return status;
    }
    absl::Status annotated(status.code(), absl::StrCat(context, ": ", status.message()));
    status.ForEachPayload(
        [&](absl::string_view type, const absl::Cord& payload) { annotated.SetPayload(type, payload); });
    return annotated;
}

void SetExitCode(absl::Status& status, int exit_code) {
    status.SetPayload(kExitCodePayload, absl::Cord(absl::StrCat(exit_code)));
}

::common::v2::ErrorInfo ToErrorInfo(const absl::Status& status) {
    ::common::v2::ErrorInfo error;
    const auto* row = std::ranges::find(kTable, status.code(), &Row::code);
    error.set_aos_code(row == kTable.end() ? kAosFailed : row->aos_code);
    error.set_message(std::string(status.message()));
    if (const auto payload = status.GetPayload(kExitCodePayload)) {
        int exit_code = 0;
        if (absl::SimpleAtoi(std::string(*payload), &exit_code)) {
            error.set_exit_code(exit_code);
        }
    }
    return error;
}

absl::Status FromErrorInfo(const ::common::v2::ErrorInfo& error) {
    if (error.aos_code() == 0 && error.exit_code() == 0 && error.message().empty()) {
        return absl::OkStatus();
    }
    const auto* row = std::ranges::find(kTable, error.aos_code(), &Row::aos_code);
    absl::Status status(row == kTable.end() ? absl::StatusCode::kUnknown : row->code, error.message());
    if (error.exit_code() != 0) {
        SetExitCode(status, error.exit_code());
    }
    return status;
}

grpc::Status ToGrpc(const absl::Status& status) {
    if (status.ok()) {
        return grpc::Status::OK;
    }
    return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

absl::Status FromGrpc(const grpc::Status& status) {
    if (status.ok()) {
        return absl::OkStatus();
    }
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace provhub::status
