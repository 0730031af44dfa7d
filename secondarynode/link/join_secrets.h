// What this node shows to the main node as long as it has no identity.
#ifndef PROVHUB_SECONDARYNODE_LINK_JOIN_SECRETS_H_
#define PROVHUB_SECONDARYNODE_LINK_JOIN_SECRETS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace provhub::link {

// Metadata of RegisterNode, from the main node and to it.
inline constexpr char kRejoinSecretKey[] = "provhub-rejoin-secret";

// The join token, which somebody puts into a file, and the rejoin secret that the main node gives for it. Every call
// blocks on the disk.
class JoinSecrets {
 public:
    // `token_path` may be empty: no token.
    JoinSecrets(std::string token_path, std::string secret_path)
        : token_path_(std::move(token_path)), secret_path_(std::move(secret_path)) {}

    // Initial metadata for RegisterNode: what there is of the two. Only for a connection that nobody else can read.
    // FailedPrecondition: a file is there that others may read, or that holds no token.
    absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Metadata() const;

    // Keeps the rejoin secret, for this user alone.
    absl::Status Keep(absl::string_view rejoin_secret) const;

 private:
    const std::string token_path_;
    const std::string secret_path_;
};

}  // namespace provhub::link

#endif  // PROVHUB_SECONDARYNODE_LINK_JOIN_SECRETS_H_
