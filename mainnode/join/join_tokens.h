// The tokens by which nodes without an identity may register.
#ifndef PROVHUB_MAINNODE_JOIN_JOIN_TOKENS_H_
#define PROVHUB_MAINNODE_JOIN_JOIN_TOKENS_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "mainnode/registry/sqlite_file.h"
#include "provhub/v1/join_tokens.pb.h"

namespace provhub::join {

// What a stream shows. Empty: nothing.
struct Presented {
    absl::string_view token;
    absl::string_view rejoin_secret;
};

// Tokens and secrets are 256 random bits as base64url; only their SHA-256 is stored. A token lets one node in, once,
// before it expires. The node gets a rejoin secret for it, by which it may come back: for 24 hours, or until it has
// proven an identity. Thread-safe; every call blocks on the disk, and what it changes is stored when it returns.
class JoinTokens {
 public:
    static constexpr absl::Duration kMaxTtl = absl::Hours(24 * 30);
    static constexpr absl::Duration kRejoinTtl = absl::Hours(24);
    // How many tokens are kept that have not expired.
    static constexpr int kMaxTokens = 10'000;

    using Clock = std::function<absl::Time()>;

    // Errors: those of SqliteFile::Open.
    static absl::StatusOr<std::unique_ptr<JoinTokens>> Open(const std::string& path, Clock clock);

    struct Created {
        // To be shown once: it is stored nowhere.
        std::string token;
        v1::JoinToken info;
    };
    // `node_id`: the one node that it is for; empty: any.
    // Errors: InvalidArgument (`ttl` isn't between a second and kMaxTtl), ResourceExhausted (kMaxTokens).
    absl::StatusOr<Created> Create(absl::Duration ttl, const std::string& node_id);

    // Those that have not been forgotten, the oldest first. A token is forgotten a day after it has expired.
    absl::StatusOr<std::vector<v1::JoinToken>> List();

    // Also ends the rejoin secret that was given for it. NotFound.
    absl::Status Revoke(const std::string& id);

    // Lets a node in by what it shows. Returns the rejoin secret that it gets in exchange for its token; empty where it
    // showed a valid one. Errors, each of which says why: Unauthenticated (nothing shown, unknown, expired),
    // PermissionDenied (the token was used already, or is for another node).
    absl::StatusOr<std::string> Redeem(const std::string& node_id, const Presented& presented);

    // The node has proven its identity: its rejoin secret ends.
    absl::Status Forget(const std::string& node_id);

 private:
    JoinTokens(std::unique_ptr<registry::SqliteFile> file, Clock clock)
        : file_(std::move(file)), clock_(std::move(clock)) {}

    absl::StatusOr<bool> MayRejoin(const std::string& node_id, absl::string_view secret)
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    absl::StatusOr<std::string> UseToken(const std::string& node_id, absl::string_view token)
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    // Serialises the uses of the file.
    absl::Mutex mutex_;
    const std::unique_ptr<registry::SqliteFile> file_ ABSL_PT_GUARDED_BY(mutex_);
    const Clock clock_;
};

}  // namespace provhub::join

#endif  // PROVHUB_MAINNODE_JOIN_JOIN_TOKENS_H_
