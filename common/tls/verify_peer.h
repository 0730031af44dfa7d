// Whether a peer is who its certificate says.
#ifndef PROVHUB_COMMON_TLS_VERIFY_PEER_H_
#define PROVHUB_COMMON_TLS_VERIFY_PEER_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/certificate.h"

namespace provhub::tls {

enum class PeerRole { kClient, kServer };

// Verifies the certificate `leaf` of a peer, who sent `others` with it: chain to one of `anchors` at `now`, and the
// usage of `role`, where the certificate limits its usage. That the peer holds the key is the handshake's to prove.
//
// Unauthenticated, with the reason: expired or not yet valid and when, self-signed, unknown issuer, usage.
absl::StatusOr<crypto::Chain> VerifyPeer(const crypto::Certificate& leaf,
                                         const std::vector<crypto::Certificate>& others,
                                         const std::vector<crypto::Certificate>& anchors, PeerRole role,
                                         absl::Time now);

// Unauthenticated unless the certificate is for the host `name`, a DNS name or an IP address; says what it is for.
absl::Status VerifyServerName(const crypto::Certificate& leaf, absl::string_view name);

}  // namespace provhub::tls

#endif  // PROVHUB_COMMON_TLS_VERIFY_PEER_H_
