#include "tools/provctl/state_directory.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace provhub::provctl {

absl::StatusOr<std::string> StateDirectory() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this process changes its environment any more.
    const char* state = std::getenv("XDG_STATE_HOME");
    if (state != nullptr && state[0] == '/') {
        return absl::StrCat(state, "/provhub");
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    const char* home = std::getenv("HOME");
    if (home == nullptr || home[0] != '/') {
        return absl::FailedPreconditionError("neither XDG_STATE_HOME nor HOME is set");
    }
    return absl::StrCat(home, "/.local/state/provhub");
}

}  // namespace provhub::provctl
