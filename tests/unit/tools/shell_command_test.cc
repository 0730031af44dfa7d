#include "tools/provctl/shell_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "absl/time/clock.h"

namespace provhub::provctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::Duration kPlenty = absl::Seconds(20);

class ShellCommand : public ::testing::Test {
 protected:
    ShellCommand() { std::signal(SIGPIPE, SIG_IGN); }
};

TEST_F(ShellCommand, GetsTheInputAndTheEnvironmentAndReturnsTheOutput) {
    const auto output = RunShellCommand("tr a-z A-Z; printf $WHO", "text", {{"WHO", "me"}}, kPlenty);
    ASSERT_EQ(output.status(), absl::OkStatus());
    EXPECT_EQ(*output, "TEXTme");
}

TEST_F(ShellCommand, TakesMoreInputThanAPipeHolds) {
    const std::string input(200'000, 'x');
    const auto output = RunShellCommand("cat", input, {}, kPlenty);
    ASSERT_EQ(output.status(), absl::OkStatus());
    EXPECT_EQ(*output, input);
}

TEST_F(ShellCommand, NeedNotReadItsInput) {
    const auto output = RunShellCommand("exec <&-; echo done", std::string(200'000, 'x'), {}, kPlenty);
    ASSERT_EQ(output.status(), absl::OkStatus());
    EXPECT_EQ(*output, "done\n");
}

TEST_F(ShellCommand, FailsWithItsStatusAndTheEndOfItsErrors) {
    const auto output = RunShellCommand("yes x | head -c 5000 >&2; echo the reason >&2; exit 7", "", {}, kPlenty);
    EXPECT_EQ(output.status().code(), absl::StatusCode::kUnknown);
    EXPECT_THAT(std::string(output.status().message()), AllOf(HasSubstr("exit status 7"), HasSubstr("the reason")));
    EXPECT_LT(output.status().message().size(), 1200U);
    EXPECT_THAT(std::string(RunShellCommand("kill -9 $$", "", {}, kPlenty).status().message()), HasSubstr("signal 9"));
}

TEST_F(ShellCommand, IsKilledWithItsChildrenWhenTheTimeIsUp) {
    const absl::Time begun = absl::Now();
    const auto output = RunShellCommand("sleep 60 & sleep 60", "", {}, absl::Milliseconds(200));
    EXPECT_EQ(output.status().code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_LT(absl::Now() - begun, absl::Seconds(10));
}

TEST_F(ShellCommand, MayNotFloodTheCaller) {
    EXPECT_EQ(RunShellCommand("yes", "", {}, kPlenty).status().code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace provhub::provctl
