#include "secondarynode/link/hub_channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace provhub::link {
namespace {

constexpr absl::Duration kPingInterval = absl::Seconds(10);
constexpr absl::Duration kPingTimeout = absl::Seconds(10);

grpc::ChannelArguments Arguments(absl::Duration connect_timeout) {
    const auto milliseconds = [](absl::Duration duration) {
        return static_cast<int>(absl::ToInt64Milliseconds(duration));
    };
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(kPingInterval));
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, milliseconds(kPingTimeout));
    arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    // The back-off between attempts is the link's. The one attempt of this channel may take the longer of these two.
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 1000);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, milliseconds(connect_timeout));
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    // One stream with small messages: measuring its bandwidth costs pings and gains nothing.
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    return arguments;
}

}  // namespace

HubChannel OpenChannel(const service::MainNodeAccess& access, absl::Duration connect_timeout) {
    grpc::ChannelArguments arguments = Arguments(connect_timeout);
    if (!access.server_name.empty()) {
        arguments.SetSslTargetNameOverride(access.server_name);
    }
    if (access.sessions != nullptr) {
        access.sessions->AddTo(arguments);
    }
    return {.where = absl::StrCat(access.address, " (", access.transport, ")"),
            .channel = grpc::CreateCustomChannel(access.address, access.credentials, arguments),
            .proven = access.proven};
}

HubConnector ConnectTo(service::MainNodeAccess access) {
    return [access = std::move(access)](const ConnectRequest& request) -> absl::StatusOr<HubChannel> {
        return OpenChannel(access, request.timeout);
    };
}

}  // namespace provhub::link
