// The identity of a server that has none yet.
#ifndef PROVHUB_COMMON_TLS_EPHEMERAL_IDENTITY_H_
#define PROVHUB_COMMON_TLS_EPHEMERAL_IDENTITY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace provhub::tls {

// A key pair that lives as long as the process, in memory only, and its self-signed certificate.
struct EphemeralIdentity {
    std::string key_pem;
    std::string certificate_pem;
    // As crypto::Fingerprint.
    std::string fingerprint;
};

// The name in the certificate. Clients ask for it, because servers of gRPC log a name that they don't have.
inline constexpr char kEphemeralServerName[] = "provhub";

// P-384. The certificate names kEphemeralServerName, may be used by a server only, and is valid from an hour before
// `now` (clocks in a factory differ) for a year: whoever pins it goes by the fingerprint, never by the dates.
absl::StatusOr<EphemeralIdentity> CreateEphemeralIdentity(absl::Time now);

}  // namespace provhub::tls

#endif  // PROVHUB_COMMON_TLS_EPHEMERAL_IDENTITY_H_
