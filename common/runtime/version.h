// Which release this is.
#ifndef PROVHUB_COMMON_RUNTIME_VERSION_H_
#define PROVHUB_COMMON_RUNTIME_VERSION_H_

#include "absl/strings/string_view.h"

namespace provhub::runtime {

// Semantic version, "0.1.0".
absl::string_view Version();

}  // namespace provhub::runtime

#endif  // PROVHUB_COMMON_RUNTIME_VERSION_H_
