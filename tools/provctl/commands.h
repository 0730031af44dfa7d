// provctl's commands.
#ifndef PROVHUB_TOOLS_PROVCTL_COMMANDS_H_
#define PROVHUB_TOOLS_PROVCTL_COMMANDS_H_

#include <iosfwd>

#include "tools/provctl/command_line.h"

namespace provhub::provctl {

inline constexpr int kAllWell = 0;
// Some node, or the command as a whole, failed.
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;

struct Streams {
    std::istream& in;
    // The result.
    std::ostream& out;
    // Progress and errors.
    std::ostream& err;
};

// Carries the command out and returns the exit status.
int Run(const CommandLine& command_line, const Streams& streams);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_COMMANDS_H_
