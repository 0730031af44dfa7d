// gmock matchers for absl::Status and absl::StatusOr.
#ifndef PROVHUB_TESTS_SUPPORT_STATUS_MATCHERS_H_
#define PROVHUB_TESTS_SUPPORT_STATUS_MATCHERS_H_

#include <gmock/gmock.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace provhub::test {

inline const absl::Status& StatusOf(const absl::Status& status) {
    return status;
}
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
    return result.status();
}

MATCHER(IsOk, negation ? "is an error" : "is OK") {
    *result_listener << "which is " << StatusOf(arg).ToString();
    return StatusOf(arg).ok();
}

// `code`, and a message that has `part`.
MATCHER_P2(IsError, code, part, "is " + absl::StatusCodeToString(code) + " with '" + std::string(part) + "'") {
    *result_listener << "which is " << StatusOf(arg).ToString();
    return StatusOf(arg).code() == code &&
           std::string(StatusOf(arg).message()).find(std::string(part)) != std::string::npos;
}

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_SUPPORT_STATUS_MATCHERS_H_
