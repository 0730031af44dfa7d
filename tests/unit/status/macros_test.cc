#include "common/status/macros.h"

#include <gtest/gtest.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace provhub {
namespace {

absl::Status Twice(const absl::Status& first, int& reached) {
    RETURN_IF_ERROR(first);
    ++reached;
    RETURN_IF_ERROR(absl::OkStatus());
    ++reached;
    return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<int>> Boxed(const absl::StatusOr<int>& value) {
    ASSIGN_OR_RETURN(const int plain, value);
    return std::make_unique<int>(plain);
}

absl::StatusOr<int> Sum(const absl::StatusOr<int>& a, const absl::StatusOr<int>& b) {
    ASSIGN_OR_RETURN(const auto first, Boxed(a));
    std::unique_ptr<int> second;
    ASSIGN_OR_RETURN(second, Boxed(b));
    return *first + *second;
}

TEST(Macros, ReturnTheFirstErrorAndNothingElse) {
    int reached = 0;
    EXPECT_TRUE(Twice(absl::OkStatus(), reached).ok());
    EXPECT_EQ(reached, 2);
    EXPECT_EQ(Twice(absl::AbortedError("x"), reached), absl::AbortedError("x"));
    EXPECT_EQ(reached, 2);
}

TEST(Macros, AssignToDeclarationsAndVariablesThatOnlyMove) {
    EXPECT_EQ(*Sum(1, 2), 3);
    EXPECT_EQ(Sum(absl::NotFoundError("a"), 2).status(), absl::NotFoundError("a"));
    EXPECT_EQ(Sum(1, absl::NotFoundError("b")).status(), absl::NotFoundError("b"));
}

}  // namespace
}  // namespace provhub
