#include "common/runtime/log.h"

#include <gmock/gmock.h>
#include <grpc/support/log.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace provhub::runtime {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr Log kLog("hub");

// What `write` makes the program write, at `level`.
template <typename Function>
std::string Written(LogLevel level, Function write) {
    StartLogging(level);
    ::testing::internal::CaptureStderr();
    write();
    return ::testing::internal::GetCapturedStderr();
}

TEST(Log, WritesTimeLevelPartAndMessage) {
    const std::string out = Written(LogLevel::kInformation, [] { kLog.Warning("node n2 is gone"); });
    EXPECT_THAT(out, MatchesRegex("20[0-9-]+T[0-9:.]+Z warning hub: node n2 is gone\n"));
}

TEST(Log, LeavesOutWhatIsBelowTheLevel) {
    const std::string out = Written(LogLevel::kNotice, [] {
        kLog.Trace("t");
        kLog.Debug("d");
        kLog.Information("i");
        kLog.Notice("n");
        kLog.Warning("w");
        kLog.Error("e");
    });
    EXPECT_EQ(std::ranges::count(out, '\n'), 3);
    EXPECT_THAT(out, AllOf(HasSubstr("notice hub: n"), HasSubstr("warning hub: w"), HasSubstr("error hub: e")));
    EXPECT_TRUE(kLog.Enabled(LogLevel::kNotice));
    EXPECT_FALSE(kLog.Enabled(LogLevel::kInformation));
}

TEST(Log, NamesEveryLevel) {
    const std::string out = Written(LogLevel::kTrace, [] {
        kLog.Trace("m");
        kLog.Debug("m");
        kLog.Information("m");
    });
    EXPECT_THAT(out, AllOf(HasSubstr(" trace hub: m"), HasSubstr(" debug hub: m"), HasSubstr(" information hub: m")));
}

TEST(Log, KeepsAMessageThatQuotesAPeerOnOneLine) {
    const std::string out =
        Written(LogLevel::kError, [] { kLog.Error(absl::string_view("a\nb\rc\x1b[31md\te\x7f\0f", 14)); });
    EXPECT_EQ(std::ranges::count(out, '\n'), 1);
    EXPECT_THAT(out, HasSubstr("a\\nb\\x0dc\\x1b[31md\\te\\x7f"));
}

TEST(Log, EscapesControlCharactersThatAreWrittenInUtf8AndKeepsLetters) {
    const std::string out = Written(LogLevel::kError, [] { kLog.Error("caf\xc3\xa9 \xc2\x9b 31m \xc2\xb5"); });
    EXPECT_THAT(out, HasSubstr("caf\xc3\xa9 \\u009b 31m \xc2\xb5"));
}

TEST(Log, TakesPercentSignsAndBracesAsTheyAre) {
    const std::string out = Written(LogLevel::kError, [] { kLog.Error("100% %s %d ${x} {}"); });
    EXPECT_THAT(out, HasSubstr("hub: 100% %s %d ${x} {}\n"));
}

TEST(Log, CutsAMessageThatWouldFillTheDisk) {
    const std::string out = Written(LogLevel::kError, [] { kLog.Error(std::string(1 << 20, 'x')); });
    EXPECT_LT(out.size(), 9000U);
    EXPECT_THAT(out, HasSubstr("bytes more)"));
}

TEST(Log, PutsGrpcsOwnLinesUnderTheLevel) {
    const auto chatter = [] {
        gpr_log(GPR_INFO, "subchannel %d", 7);
        gpr_log(GPR_ERROR, "handshake");
    };
    EXPECT_THAT(Written(LogLevel::kWarning, chatter),
                AllOf(HasSubstr("warning grpc: handshake"), Not(HasSubstr("subchannel"))));
    EXPECT_THAT(Written(LogLevel::kDebug, chatter), HasSubstr("debug grpc: subchannel 7"));
    EXPECT_THAT(Written(LogLevel::kError, chatter), IsEmpty());
}

}  // namespace
}  // namespace provhub::runtime
