// The command line of the daemons.
#ifndef PROVHUB_COMMON_RUNTIME_COMMAND_LINE_H_
#define PROVHUB_COMMON_RUNTIME_COMMAND_LINE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/runtime/log.h"

namespace provhub::runtime {

struct CommandLine {
    enum class Action { kRun, kCheckConfig, kVersion, kHelp };

    Action action = Action::kRun;
    std::string config;
    bool provisioning_mode = false;
    LogLevel level = LogLevel::kInformation;
};

// InvalidArgument: unknown or repeated option, option without its argument, unknown level, anything that is no option.
absl::StatusOr<CommandLine> ParseCommandLine(int argc, const char* const* argv, absl::string_view default_config);

// What --help prints.
std::string HelpText(absl::string_view program, absl::string_view purpose, absl::string_view default_config);

}  // namespace provhub::runtime

#endif  // PROVHUB_COMMON_RUNTIME_COMMAND_LINE_H_
