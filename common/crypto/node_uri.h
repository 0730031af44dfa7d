// The URIs by which a certificate says whom it belongs to, as subject alternative names.
#ifndef PROVHUB_COMMON_CRYPTO_NODE_URI_H_
#define PROVHUB_COMMON_CRYPTO_NODE_URI_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace provhub::crypto {

// Where the configuration names no other (nodeIdentity.uriPrefix).
inline constexpr char kNodeUriPrefix[] = "urn:provhub:node:";

// Of people and tools that provision.
inline constexpr char kOperatorUri[] = "urn:provhub:role:operator";

// `prefix` and the node ID, of which every byte but the unreserved characters of a URI (RFC 3986 §2.3) is
// percent-encoded.
std::string NodeUri(absl::string_view prefix, absl::string_view node_id);

// The node ID in a URI that begins with `prefix`. Nothing for other URIs, and where what follows the prefix is empty or
// has a broken escape.
std::optional<std::string> NodeIdOfUri(absl::string_view prefix, absl::string_view uri);

}  // namespace provhub::crypto

#endif  // PROVHUB_COMMON_CRYPTO_NODE_URI_H_
