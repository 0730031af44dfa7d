// For tests of command lines.
#ifndef PROVHUB_TESTS_SUPPORT_COMMAND_LINES_H_
#define PROVHUB_TESTS_SUPPORT_COMMAND_LINES_H_

#include <gtest/gtest.h>

#include <utility>
#include <variant>
#include <vector>

#include "tools/cli/command_line.h"

namespace provhub::test {

// What `parse`, a ParseCommandLine, makes of a program's arguments.
template <typename CommandLine>
std::variant<CommandLine, cli::NothingToRun> ParseArguments(
    std::variant<CommandLine, cli::NothingToRun> (*parse)(int, const char* const*),
    std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "program");
    return parse(static_cast<int>(arguments.size()), arguments.data());
}

// Fails the test where there is nothing to run.
template <typename CommandLine>
CommandLine MustRun(std::variant<CommandLine, cli::NothingToRun> parsed) {
    const auto* nothing = std::get_if<cli::NothingToRun>(&parsed);
    EXPECT_EQ(nothing, nullptr) << nothing->message;
    return std::get<CommandLine>(std::move(parsed));
}

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_SUPPORT_COMMAND_LINES_H_
