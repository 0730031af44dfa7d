// What a caller is told when its call could not be carried to a node.
#ifndef PROVHUB_MAINNODE_HUB_CALL_ERRORS_H_
#define PROVHUB_MAINNODE_HUB_CALL_ERRORS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/node/method_table.h"

namespace provhub::hub {

// Room that is kept for what the hub adds to a request, and for the lengths around it.
inline constexpr std::size_t kEnvelopeBytes = 256;

absl::Status UnknownNode(absl::string_view node_id);
absl::Status NotConnected(absl::string_view node_id);
absl::Status TooManyCalls(absl::string_view node_id, std::size_t calls);
absl::Status TooLarge(absl::string_view node_id, const node::Method& method, std::size_t bytes, std::size_t limit);

absl::Status CancelledUnsent(absl::string_view node_id, const node::Method& method);
absl::Status CancelledSent(absl::string_view node_id, const node::Method& method);
absl::Status TimedOutUnsent(absl::string_view node_id, const node::Method& method);
absl::Status TimedOutSent(absl::string_view node_id, const node::Method& method);
// The node speaks the contract alone.
absl::Status OfOtherMake(absl::string_view node_id, const node::Method& method);
// The stream has ended.
absl::Status LostUnsent(absl::string_view node_id, const node::Method& method);
absl::Status LostSent(absl::string_view node_id, const node::Method& method);

// The node itself says why there is no answer. A code that is none becomes Unknown.
absl::Status RefusedByNode(absl::string_view node_id, std::int32_t code, absl::string_view message);
absl::Status WrongReply(absl::string_view node_id, const node::Method& method);

}  // namespace provhub::hub

#endif  // PROVHUB_MAINNODE_HUB_CALL_ERRORS_H_
