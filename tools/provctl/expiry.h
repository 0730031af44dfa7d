// Which certificates have to be renewed.
#ifndef PROVHUB_TOOLS_PROVCTL_EXPIRY_H_
#define PROVHUB_TOOLS_PROVCTL_EXPIRY_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "provhub/v1/certificates.pb.h"

namespace provhub::provctl {

// Those that are no longer valid at `time`, of each type only the one in use: the last of the list, which is as a node
// gives it. Ones without a date are left out.
std::vector<provhub::v1::Certificate> ExpiringWithin(const std::vector<provhub::v1::Certificate>& certificates,
                                                     absl::Time time);

// The common name of a subject (RFC 4514), for a request of the same name. Empty where it has none, or one that a
// request can't have.
std::string CommonNameOf(absl::string_view subject);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_EXPIRY_H_
