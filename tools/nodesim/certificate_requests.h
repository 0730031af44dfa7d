// What simulated nodes answer to CreateKey.
#ifndef PROVHUB_TOOLS_NODESIM_CERTIFICATE_REQUESTS_H_
#define PROVHUB_TOOLS_NODESIM_CERTIFICATE_REQUESTS_H_

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/crypto/openssl.h"

namespace provhub::nodesim {

// The requests for certificates of all nodes, for one key: a simulation is about messages, not about arithmetic. Each
// is made once and kept. Thread-safe.
class CertificateRequests {
 public:
    explicit CertificateRequests(crypto::EvpPkeyPtr key) : key_(std::move(key)) {}

    // PKCS #10, PEM. InvalidArgument where `subject` is no common name.
    absl::StatusOr<std::string> For(absl::string_view subject);

 private:
    const crypto::EvpPkeyPtr key_;
    absl::Mutex mutex_;
    absl::flat_hash_map<std::string, std::string> made_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::nodesim

#endif  // PROVHUB_TOOLS_NODESIM_CERTIFICATE_REQUESTS_H_
