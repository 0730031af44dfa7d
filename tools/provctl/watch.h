// provctl nodes --watch
#ifndef PROVHUB_TOOLS_PROVCTL_WATCH_H_
#define PROVHUB_TOOLS_PROVCTL_WATCH_H_

#include <iosfwd>

#include "absl/status/status.h"
#include "tools/provctl/command_line.h"
#include "tools/provctl/unit_client.h"

namespace provhub::provctl {

// Writes the nodes, then every change as it comes, until SIGINT or SIGTERM (OK) or an error. As JSON that is one array,
// an element to a line, closed at the end.
absl::Status WatchNodes(UnitClient& client, OutputFormat format, std::ostream& out);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_WATCH_H_
