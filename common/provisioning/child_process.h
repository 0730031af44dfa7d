// A program run to its end, with bounded time and bounded output.
#ifndef PROVHUB_COMMON_PROVISIONING_CHILD_PROCESS_H_
#define PROVHUB_COMMON_PROVISIONING_CHILD_PROCESS_H_

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace provhub::provisioning {

struct ChildResult {
    // One of the two is set.
    std::optional<int> exit_code;
    std::optional<int> signal;
    // The end of its standard error, 8 KiB at most, as it was written.
    std::string error_output;
};

// Starts `command` (program and arguments; a program without a slash is looked for in PATH), feeds it `input`, and
// waits `limit` at most, or until `stop` is requested. It gets the default signal dispositions and an empty mask, a
// process group of its own, and no open file but the standard ones. It need not read its input. Returns when the
// program itself ends, whatever its descendants do with its output. Blocks.
//
// Errors: FailedPrecondition (can't be started), DeadlineExceeded and Cancelled (killed with its process group),
// InvalidArgument (more than 4096 bytes of input), Internal.
absl::StatusOr<ChildResult> RunChild(const std::vector<std::string>& command, absl::string_view input,
                                     absl::Duration limit, const std::stop_token& stop = {});

}  // namespace provhub::provisioning

#endif  // PROVHUB_COMMON_PROVISIONING_CHILD_PROCESS_H_
