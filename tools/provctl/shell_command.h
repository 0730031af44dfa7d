// Runs a command of the user's.
#ifndef PROVHUB_TOOLS_PROVCTL_SHELL_COMMAND_H_
#define PROVHUB_TOOLS_PROVCTL_SHELL_COMMAND_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace provhub::provctl {

// Runs `command` by /bin/sh with `input` on its standard input and `environment` added to that of this process, and
// returns what it writes to its standard output, at most 256 KiB. When the time is up, the command is killed with
// everything that it started. The process MUST ignore SIGPIPE: the command need not read its input.
//
// Errors: DeadlineExceeded, or Unknown (it failed), each with the end of what it wrote to its standard error;
// OutOfRange (too much output); Internal.
absl::StatusOr<std::string> RunShellCommand(const std::string& command, absl::string_view input,
                                            const std::vector<std::pair<std::string, std::string>>& environment,
                                            absl::Duration limit);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_SHELL_COMMAND_H_
