// The certificates that this node trusts to vouch for others.
#ifndef PROVHUB_COMMON_TLS_TRUST_ANCHORS_H_
#define PROVHUB_COMMON_TLS_TRUST_ANCHORS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/crypto/certificate.h"

namespace provhub::tls {

// The content of the file `caCert`, which holds the old and the new anchor while a CA is replaced. Thread-safe.
class TrustAnchors {
 public:
    struct Set {
        std::vector<crypto::Certificate> certificates;
        // Another one after every reload that changed something.
        std::uint64_t generation = 0;
    };

    // FailedPrecondition: the file is not there, not readable, or not certificates of authorities in PEM; which and
    // what to do.
    static absl::StatusOr<std::unique_ptr<TrustAnchors>> Load(std::string path);

    // What is to be used for the next decision. Never blocks.
    std::shared_ptr<const Set> Current() const;

    // Reads the file again. After an error, those of Load, the anchors in use stay in use. True where they have
    // changed. Blocks on the disk.
    absl::StatusOr<bool> Reload();

 private:
    TrustAnchors(std::string path, std::vector<crypto::Certificate> certificates);

    const std::string path_;
    mutable absl::Mutex mutex_;
    std::shared_ptr<const Set> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::tls

#endif  // PROVHUB_COMMON_TLS_TRUST_ANCHORS_H_
