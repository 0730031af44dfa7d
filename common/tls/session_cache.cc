#include "common/tls/session_cache.h"

#include <grpc/grpc_security.h>
#include <grpcpp/support/channel_arguments.h>

namespace provhub::tls {

SessionCache::SessionCache() : cache_(grpc_ssl_session_cache_create_lru(1)) {}

SessionCache::~SessionCache() {
    grpc_ssl_session_cache_destroy(cache_);
}

void SessionCache::AddTo(grpc::ChannelArguments& arguments) const {
    const grpc_arg argument = grpc_ssl_session_cache_create_channel_arg(cache_);
    arguments.SetPointerWithVtable(argument.key, argument.value.pointer.p, argument.value.pointer.vtable);
}

}  // namespace provhub::tls
