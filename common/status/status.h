// The one place where absl::Status, grpc::Status and the contract's ErrorInfo are turned into each other.
#ifndef PROVHUB_COMMON_STATUS_STATUS_H_
#define PROVHUB_COMMON_STATUS_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace grpc {
class Status;
}
namespace common::v2 {
class ErrorInfo;
}

namespace provhub::status {

// `status` with `context` and ": " before its message; code and payloads stay. OK stays OK.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

// Records the exit status of a platform program with an error; ToErrorInfo carries it to the caller.
void SetExitCode(absl::Status& status, int exit_code);

// MUST only be called with an error: the contract spells success as an absent ErrorInfo.
::common::v2::ErrorInfo ToErrorInfo(const absl::Status& status);

// OK where aos_code, exit_code and message are all unset. aos_code 0 with a message counts as a failure.
absl::Status FromErrorInfo(const ::common::v2::ErrorInfo& error);

// Absl's codes are gRPC's codes.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace provhub::status

#endif  // PROVHUB_COMMON_STATUS_STATUS_H_
