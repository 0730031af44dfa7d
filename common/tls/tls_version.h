// The versions of TLS that this process speaks.
#ifndef PROVHUB_COMMON_TLS_TLS_VERSION_H_
#define PROVHUB_COMMON_TLS_TLS_VERSION_H_

namespace provhub::tls {

// From now on gRPC's servers and channels of this process speak TLS 1.3 alone. MUST be called before the first of them
// is made and before other threads are started.
//
// gRPC sets the lowest version to 1.2 and has no setting for it, but lets the cipher suites of 1.2 be named; the one
// named here needs a pre-shared key, which nobody has, so a handshake of 1.2 finds no common suite. Those of 1.3 are
// chosen apart from it (SSL_CTX_set_cipher_list(3)).
void RequireTls13();

}  // namespace provhub::tls

#endif  // PROVHUB_COMMON_TLS_TLS_VERSION_H_
