#include "common/service/listener.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/runtime/log.h"
#include "common/service/listen_address.h"
#include "common/status/macros.h"
#include "common/status/status.h"

namespace provhub::service {
namespace {

constexpr runtime::Log kLog("server");

constexpr int kKeepaliveTimeMs = 10'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// Below the 10 seconds at which nodes ping, with room for timers that are early.
constexpr int kMinPingIntervalMs = 5'000;
constexpr int kHandshakeTimeoutMs = 10'000;
// A connection without calls. Clients come back by themselves when they have something to ask.
constexpr int kIdleTimeoutMs = 5 * 60 * 1000;
// Of one connection: one client can't have the memory of all, and the load of a busy one fits.
constexpr int kMaxStreamsPerConnection = 10'000;
// What a call may bring in headers.
constexpr int kMaxMetadataBytes = 16 * 1024;
// Reflection is served by gRPC's synchronous API, which holds a thread for each client. Nothing else is.
constexpr int kMaxSyncThreads = 4;

void ApplyArguments(grpc::ServerBuilder& builder) {
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingIntervalMs);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleTimeoutMs);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
    grpc::ResourceQuota quota("server");
    quota.SetMaxThreads(kMaxSyncThreads);
    builder.SetResourceQuota(quota);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Start(const ListenerOptions& options) {
    const std::string context = absl::StrCat(options.name, " listener");
    const auto address = ParseListenAddress(options.address);
    if (!address.ok()) {
        return status::Annotate(address.status(), context);
    }
    RETURN_IF_ERROR(status::Annotate(CheckCanListen(*address), context));
    // Both settings are the process's; setting them again changes nothing.
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    ApplyArguments(builder);
    int port = 0;
    builder.AddListeningPort(address->ToString(), options.credentials, &port);
    for (grpc::Service* service : options.services) {
        builder.RegisterService(service);
    }
    auto server = builder.BuildAndStart();
    if (server == nullptr) {
        RETURN_IF_ERROR(status::Annotate(CheckCanListen(*address), context));
        return absl::FailedPreconditionError(
            absl::StrCat(context, ": cannot listen on ", address->ToString(), " with the given credentials"));
    }
    auto listener = std::unique_ptr<Listener>(new Listener(options.name, std::move(server), port));
    listener->SetServing(false);
    kLog.Notice(absl::StrCat("listening on ", ListenAddress{address->host, static_cast<std::uint16_t>(port)}.ToString(),
                             " (", options.name, ")"));
    return listener;
}

Listener::Listener(std::string name, std::unique_ptr<grpc::Server> server, int port)
    : name_(std::move(name)), server_(std::move(server)), port_(port) {}

Listener::~Listener() {
    Shutdown(absl::InfinitePast());
}

void Listener::SetServing(bool serving) {
    server_->GetHealthCheckService()->SetServingStatus(serving);
}

void Listener::Shutdown(absl::Time deadline) {
    server_->Shutdown(absl::ToChronoTime(std::max(deadline, absl::UnixEpoch())));
    server_->Wait();
}

}  // namespace provhub::service
