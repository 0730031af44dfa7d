#include "tests/support/fake_hsm.h"

#include <gtest/gtest.h>

#include <future>

namespace provhub::test {
namespace {

using crypto::KeyAlgorithm;
using crypto::Secret;

TEST(FakeHsm, FailsTheCallThatItWasToldToFailAndNoOther) {
    FakeHsm hsm;
    ASSERT_TRUE(hsm.Initialise(Secret("so-pin"), Secret("user-pin")).ok());
    hsm.FailCall("GenerateKeyPair", 2, absl::ResourceExhaustedError("full"));
    EXPECT_TRUE(hsm.GenerateKeyPair("1", "l", KeyAlgorithm::kEcP384).ok());
    EXPECT_EQ(hsm.GenerateKeyPair("2", "l", KeyAlgorithm::kEcP384).code(), absl::StatusCode::kResourceExhausted);
    EXPECT_TRUE(hsm.GenerateKeyPair("2", "l", KeyAlgorithm::kEcP384).ok());
    hsm.FailCall("Destroy", 1, absl::InternalError("lost"), FakeHsm::Fails::kAfterItsWork);
    EXPECT_FALSE(hsm.Destroy("1").ok());
    EXPECT_EQ(hsm.List()->size(), 1u);
}

TEST(FakeHsm, HoldsCallsUntilReleasedAndOwnershipWaitsForThem) {
    FakeHsm hsm;
    ASSERT_TRUE(hsm.Initialise(Secret("so-pin"), Secret("user-pin")).ok());
    FakeHsm::Hold hold(hsm, "List");
    auto listed = std::async(std::launch::async, [&] { return hsm.List().ok(); });
    ASSERT_TRUE(hold.AwaitCalls(1));
    auto closed = std::async(std::launch::async, [&] { return hsm.Close().ok(); });
    EXPECT_EQ(hsm.Calls("Close"), 0);
    hold.Release();
    EXPECT_TRUE(listed.get());
    EXPECT_TRUE(closed.get());
    EXPECT_EQ(hsm.List().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(FakeHsm, KeepsEverythingWhenTheSoPinIsWrong) {
    FakeHsm hsm;
    EXPECT_FALSE(hsm.State()->initialised);
    ASSERT_TRUE(hsm.Initialise(Secret("so-pin"), Secret("user-pin")).ok());
    ASSERT_TRUE(hsm.GenerateKeyPair("1", "l", KeyAlgorithm::kEcP384).ok());
    EXPECT_EQ(hsm.Initialise(Secret("another"), Secret("user-pin")).code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(hsm.VerifySoPin(Secret("another")).code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(hsm.List()->size(), 1u);
    ASSERT_TRUE(hsm.ChangeSoPin(Secret("so-pin"), Secret("another")).ok());
    ASSERT_TRUE(hsm.Initialise(Secret("another"), Secret("user-pin")).ok());
    EXPECT_TRUE(hsm.List()->empty());
}

}  // namespace
}  // namespace provhub::test
