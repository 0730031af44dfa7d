#include "common/runtime/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "common/runtime/version.h"

namespace provhub::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

absl::StatusOr<CommandLine> Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "provhub-main");
    return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data(), "/etc/default.json");
}

TEST(CommandLine, HasDefaults) {
    const auto line = Parse({});
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_EQ(line->action, CommandLine::Action::kRun);
    EXPECT_EQ(line->config, "/etc/default.json");
    EXPECT_FALSE(line->provisioning_mode);
    EXPECT_EQ(line->level, LogLevel::kInformation);
}

TEST(CommandLine, TakesShortAndLongOptionsWithTheirArguments) {
    for (const std::vector<const char*>& arguments :
         {std::vector{"-c", "/a.json", "-p", "-v", "debug"}, std::vector{"-c/a.json", "-vdebug", "-p"},
          std::vector{"--config", "/a.json", "--provisioning", "--verbose", "debug"},
          std::vector{"--verbose=debug", "--config=/a.json", "--provisioning"}}) {
        const auto line = Parse(arguments);
        ASSERT_TRUE(line.ok()) << line.status() << " " << ::testing::PrintToString(arguments);
        EXPECT_EQ(line->config, "/a.json");
        EXPECT_TRUE(line->provisioning_mode);
        EXPECT_EQ(line->level, LogLevel::kDebug);
    }
}

TEST(CommandLine, KnowsEveryLevel) {
    EXPECT_EQ(Parse({"-v", "trace"})->level, LogLevel::kTrace);
    EXPECT_EQ(Parse({"-v", "information"})->level, LogLevel::kInformation);
    EXPECT_EQ(Parse({"-v", "notice"})->level, LogLevel::kNotice);
    EXPECT_EQ(Parse({"-v", "warning"})->level, LogLevel::kWarning);
    EXPECT_EQ(Parse({"-v", "error"})->level, LogLevel::kError);
}

TEST(CommandLine, PrefersHelpToVersionToCheckingToRunning) {
    EXPECT_EQ(Parse({"--check-config", "-p"})->action, CommandLine::Action::kCheckConfig);
    EXPECT_EQ(Parse({"--version", "--check-config"})->action, CommandLine::Action::kVersion);
    EXPECT_EQ(Parse({"-h", "--version"})->action, CommandLine::Action::kHelp);
    EXPECT_EQ(Parse({"--help"})->action, CommandLine::Action::kHelp);
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
    for (const std::vector<const char*>& arguments :
         {std::vector{"--bogus"}, std::vector{"-x"}, std::vector{"file.json"}, std::vector{"--config"},
          std::vector{"-c"}, std::vector{"--config="}, std::vector{"-c", "a", "-c", "b"}, std::vector{"-v", "loud"},
          std::vector{"-v", "ERROR"}, std::vector{"-v"}, std::vector{"--provisioning=yes"}, std::vector{"--", "x"},
          std::vector{"-"}, std::vector{""}}) {
        const auto line = Parse(arguments);
        EXPECT_EQ(line.status().code(), absl::StatusCode::kInvalidArgument) << ::testing::PrintToString(arguments);
        EXPECT_FALSE(line.status().message().empty());
    }
    EXPECT_THAT(std::string(Parse({"-v", "loud"}).status().message()),
                HasSubstr("unknown level 'loud', expected one of trace, debug"));
    EXPECT_THAT(std::string(Parse({"x.json"}).status().message()), HasSubstr("unexpected argument 'x.json'"));
}

TEST(CommandLine, HelpNamesEveryOption) {
    const std::string help = HelpText("provhub-main", "Serves the unit.", "/etc/default.json");
    for (const char* part :
         {"provhub-main", "Serves the unit.", "-c", "--config", "FILE", "/etc/default.json", "-p", "--provisioning",
          "-v", "--verbose", "LEVEL", "--check-config", "--version", "-h", "--help"}) {
        EXPECT_THAT(help, HasSubstr(part));
    }
}

TEST(Version, IsSemantic) {
    EXPECT_THAT(std::string(Version()), MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
}

}  // namespace
}  // namespace provhub::runtime
