#include "common/provisioning/password_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <string>

#include "tests/support/manual_scheduler.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace provhub::provisioning {
namespace {

using test::IsError;
using test::IsOk;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kDenied = absl::StatusCode::kPermissionDenied;

class PasswordGateTest : public ::testing::Test {
 protected:
    // As a process that starts does.
    void Restart(const std::string& dir = "") {
        gate_ = std::make_unique<PasswordGate>(dir.empty() ? dir_.path() : dir, clock_, ScryptCost{.n = 16});
    }

    absl::Status Try(const std::string& password) { return gate_->Verify(crypto::Secret(password)); }

    test::TempDir dir_;
    test::ManualScheduler clock_;
    std::unique_ptr<PasswordGate> gate_ = std::make_unique<PasswordGate>(dir_.path(), clock_, ScryptCost{.n = 16});
};

TEST_F(PasswordGateTest, KnowsThePasswordAfterARestart) {
    ASSERT_THAT(gate_->Set(crypto::Secret("correct horse")), IsOk());
    Restart();
    EXPECT_THAT(Try("correct horse"), IsOk());
    EXPECT_THAT(Try("correct hors"), IsError(kDenied, "wrong password"));
}

TEST_F(PasswordGateTest, KeepsNothingThatThePasswordCanBeReadFrom) {
    ASSERT_THAT(gate_->Set(crypto::Secret("correct horse")), IsOk());
    EXPECT_THAT(dir_.Read("verifier"), Not(HasSubstr("correct horse")));
    struct stat info {};
    ASSERT_EQ(::stat(dir_.File("verifier").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(PasswordGateTest, CostsWhatItIsToCostWhereNobodySaysOtherwise) {
    PasswordGate gate(dir_.path(), clock_);
    ASSERT_THAT(gate.Set(crypto::Secret("correct horse")), IsOk());
    EXPECT_THAT(dir_.Read("verifier"), HasSubstr("scrypt 32768 8 1\n"));
    // The cost of what is stored is that of the time when it was stored.
    EXPECT_THAT(Try("correct horse"), IsOk());
}

TEST_F(PasswordGateTest, MakesGuessersWaitAfterFiveWrongPasswordsInAMinute) {
    ASSERT_THAT(gate_->Set(crypto::Secret("correct horse")), IsOk());
    for (int i = 0; i < 5; ++i) {
        EXPECT_THAT(Try("wrong horse"), IsError(kDenied, "wrong password"));
    }
    EXPECT_THAT(Try("correct horse"), IsError(kDenied, "try again in 1s"));
    clock_.Advance(absl::Seconds(1));
    EXPECT_THAT(Try("wrong horse"), IsError(kDenied, "wrong password"));
    EXPECT_THAT(Try("correct horse"), IsError(kDenied, "try again in 2s"));
    clock_.Advance(absl::Seconds(2));
    EXPECT_THAT(Try("correct horse"), IsOk());
    EXPECT_THAT(Try("wrong horse"), IsError(kDenied, "wrong password"));
    EXPECT_THAT(Try("correct horse"), IsOk());
}

TEST_F(PasswordGateTest, LetsSlowMistakesPass) {
    ASSERT_THAT(gate_->Set(crypto::Secret("correct horse")), IsOk());
    for (int i = 0; i < 12; ++i) {
        EXPECT_THAT(Try("wrong horse"), IsError(kDenied, "wrong password"));
        clock_.Advance(absl::Seconds(16));
    }
    EXPECT_THAT(Try("correct horse"), IsOk());
}

TEST_F(PasswordGateTest, IsNotFooledByARestart) {
    ASSERT_THAT(gate_->Set(crypto::Secret("correct horse")), IsOk());
    for (int i = 0; i < 5; ++i) {
        EXPECT_THAT(Try("wrong horse"), IsError(kDenied, "wrong password"));
        Restart();
    }
    EXPECT_THAT(Try("correct horse"), IsError(kDenied, "try again in 1s"));
    clock_.Advance(absl::Seconds(1));
    EXPECT_THAT(Try("correct horse"), IsOk());
}

TEST_F(PasswordGateTest, MakesNobodyWaitForTheGuessesAtAnotherNode) {
    const test::TempDir other;
    for (int i = 0; i < 6; ++i) {
        EXPECT_THAT(gate_->VerifyWith(crypto::Secret("wrong horse"),
                                      [] { return absl::PermissionDeniedError("wrong password"); }),
                    IsError(kDenied, ""));
    }
    Restart(other.path());
    ASSERT_THAT(gate_->Set(crypto::Secret("correct horse")), IsOk());
    EXPECT_THAT(Try("correct horse"), IsOk());
}

TEST_F(PasswordGateTest, DoesNotCountWhatCannotBeAPassword) {
    ASSERT_THAT(gate_->Set(crypto::Secret("correct horse")), IsOk());
    for (int i = 0; i < 9; ++i) {
        EXPECT_THAT(Try(""), IsError(absl::StatusCode::kInvalidArgument, "empty"));
        EXPECT_THAT(Try(std::string(256, 'x')), IsError(absl::StatusCode::kInvalidArgument, "256 bytes"));
    }
    EXPECT_THAT(Try("correct horse"), IsOk());
}

TEST_F(PasswordGateTest, SaysSoWhenItsFileIsDamaged) {
    dir_.Write("verifier", "provhub-verifier 1\nscrypt 1048577 8 1\n\n\n");
    EXPECT_THAT(Try("correct horse"), IsError(absl::StatusCode::kFailedPrecondition, "damaged"));
}

}  // namespace
}  // namespace provhub::provisioning
