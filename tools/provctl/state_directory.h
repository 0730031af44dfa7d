// Where provctl keeps what it has to remember.
#ifndef PROVHUB_TOOLS_PROVCTL_STATE_DIRECTORY_H_
#define PROVHUB_TOOLS_PROVCTL_STATE_DIRECTORY_H_

#include <string>

#include "absl/status/statusor.h"

namespace provhub::provctl {

// $XDG_STATE_HOME/provhub, by default ~/.local/state/provhub (XDG Base Directory Specification); it need not be there.
// FailedPrecondition: neither variable says where.
absl::StatusOr<std::string> StateDirectory();

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_STATE_DIRECTORY_H_
