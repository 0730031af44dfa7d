#include "common/tls/tls_version.h"

#include <cstdlib>

namespace provhub::tls {

void RequireTls13() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the caller has no other threads yet.
    ::setenv("GRPC_SSL_CIPHER_SUITES", "PSK-AES256-GCM-SHA384", 1);
}

}  // namespace provhub::tls
