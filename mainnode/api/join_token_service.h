// Join tokens for whoever adds nodes to the unit.
#ifndef PROVHUB_MAINNODE_API_JOIN_TOKEN_SERVICE_H_
#define PROVHUB_MAINNODE_API_JOIN_TOKEN_SERVICE_H_

#include "common/runtime/scheduler.h"
#include "mainnode/join/join_tokens.h"
#include "provhub/v1/join_tokens.grpc.pb.h"

namespace provhub::api {

class JoinTokenService final : public v1::JoinTokenService::CallbackService {
 public:
    JoinTokenService(join::JoinTokens& tokens, runtime::Scheduler& scheduler)
        : tokens_(tokens), scheduler_(scheduler) {}

    grpc::ServerUnaryReactor* CreateJoinToken(grpc::CallbackServerContext* context,
                                              const v1::CreateJoinTokenRequest* request,
                                              v1::CreateJoinTokenResponse* response) override;
    grpc::ServerUnaryReactor* ListJoinTokens(grpc::CallbackServerContext* context,
                                             const v1::ListJoinTokensRequest* request,
                                             v1::ListJoinTokensResponse* response) override;
    grpc::ServerUnaryReactor* RevokeJoinToken(grpc::CallbackServerContext* context,
                                              const v1::RevokeJoinTokenRequest* request,
                                              v1::RevokeJoinTokenResponse* response) override;

 private:
    absl::Status Create(const v1::CreateJoinTokenRequest& request, v1::CreateJoinTokenResponse& response);
    absl::Status List(v1::ListJoinTokensResponse& response);

    join::JoinTokens& tokens_;
    runtime::Scheduler& scheduler_;
};

}  // namespace provhub::api

#endif  // PROVHUB_MAINNODE_API_JOIN_TOKEN_SERVICE_H_
