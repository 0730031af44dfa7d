#include "common/tls/tls_version.h"

#include <cstdlib>

namespace provhub::tls {

void RequireTls13() {
    ::setenv("GRPC_SSL_CIPHER_SUITES", "PSK-AES256-GCM-SHA384", 1);
}

}  // namespace provhub::tls
