// provctl csr
#ifndef PROVHUB_TOOLS_PROVCTL_CSR_COMMAND_H_
#define PROVHUB_TOOLS_PROVCTL_CSR_COMMAND_H_

#include <string>

#include "absl/status/statusor.h"
#include "tools/provctl/command_line.h"
#include "tools/provctl/console.h"

namespace provhub::provctl {

// The request, PEM, for a certificate that a client shows (clientAuth), signed with the key that the command makes, or
// else with `key`, as --key names it.
//
// Errors: InvalidArgument (common name, alternative names; no key has been made then), those of UserKey.
absl::StatusOr<std::string> MakeCsr(const CsrCommand& command, const std::string& key, Console& console);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_CSR_COMMAND_H_
