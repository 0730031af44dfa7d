// Text from outside in messages.
#ifndef PROVHUB_COMMON_STATUS_SHOWN_H_
#define PROVHUB_COMMON_STATUS_SHOWN_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace provhub::status {

// `text` as a message or a log may show it, whoever sent it: what isn't printable ASCII is escaped as in C, and "..."
// stands for what follows the first `limit` bytes.
std::string Shown(absl::string_view text, std::size_t limit = 64);

}  // namespace provhub::status

#endif  // PROVHUB_COMMON_STATUS_SHOWN_H_
