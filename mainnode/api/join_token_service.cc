#include "mainnode/api/join_token_service.h"

#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/runtime/log.h"
#include "common/service/caller.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "mainnode/hub/node_info_check.h"

namespace provhub::api {
namespace {

constexpr runtime::Log kLog("join");

constexpr absl::Duration kDefaultTtl = absl::Hours(1);

absl::Duration TtlOf(const v1::CreateJoinTokenRequest& request) {
    return request.has_ttl() ? absl::Seconds(request.ttl().seconds()) + absl::Nanoseconds(request.ttl().nanos())
                             : kDefaultTtl;
}

}  // namespace

grpc::ServerUnaryReactor* JoinTokenService::CreateJoinToken(grpc::CallbackServerContext* context,
                                                            const v1::CreateJoinTokenRequest* request,
                                                            v1::CreateJoinTokenResponse* response) {
    auto* reactor = context->DefaultReactor();
    std::string caller = service::CallerOf(*context).name;
    scheduler_.Post([this, reactor, request, response, caller = std::move(caller)] {
        const absl::Status created = Create(*request, *response);
        if (created.ok()) {
            const auto& info = response->info();
            kLog.Notice(absl::StrCat("join token ", info.id(), " created by ", caller,
                                     info.node_id().empty() ? "" : " for node '", info.node_id(),
                                     info.node_id().empty() ? "" : "'"));
        }
        reactor->Finish(status::ToGrpc(created));
    });
    return reactor;
}

grpc::ServerUnaryReactor* JoinTokenService::ListJoinTokens(grpc::CallbackServerContext* context,
                                                           const v1::ListJoinTokensRequest*,
                                                           v1::ListJoinTokensResponse* response) {
    auto* reactor = context->DefaultReactor();
    scheduler_.Post([this, reactor, response] { reactor->Finish(status::ToGrpc(List(*response))); });
    return reactor;
}

grpc::ServerUnaryReactor* JoinTokenService::RevokeJoinToken(grpc::CallbackServerContext* context,
                                                            const v1::RevokeJoinTokenRequest* request,
                                                            v1::RevokeJoinTokenResponse*) {
    auto* reactor = context->DefaultReactor();
    std::string caller = service::CallerOf(*context).name;
    scheduler_.Post([this, reactor, request, caller = std::move(caller)] {
        const absl::Status revoked = tokens_.Revoke(request->id());
        if (revoked.ok()) {
            kLog.Notice(absl::StrCat("join token ", request->id(), " revoked by ", caller));
        }
        reactor->Finish(status::ToGrpc(revoked));
    });
    return reactor;
}

absl::Status JoinTokenService::Create(const v1::CreateJoinTokenRequest& request,
                                      v1::CreateJoinTokenResponse& response) {
    if (!request.node_id().empty()) {
        RETURN_IF_ERROR(hub::CheckNodeId(request.node_id()));
    }
    ASSIGN_OR_RETURN(auto created, tokens_.Create(TtlOf(request), request.node_id()));
    response.set_token(std::move(created.token));
    *response.mutable_info() = std::move(created.info);
    return absl::OkStatus();
}

absl::Status JoinTokenService::List(v1::ListJoinTokensResponse& response) {
    ASSIGN_OR_RETURN(const auto tokens, tokens_.List());
    response.mutable_tokens()->Add(tokens.begin(), tokens.end());
    return absl::OkStatus();
}

}  // namespace provhub::api
