#include "common/service/inspection_service.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/node/certificate_messages.h"
#include "common/runtime/version.h"
#include "common/service/caller.h"
#include "common/status/macros.h"
#include "common/status/shown.h"
#include "common/status/status.h"

namespace provhub::service {
namespace {

using provhub::v1::GetServerInfoRequest;
using provhub::v1::ListCertificatesRequest;
using provhub::v1::ListCertificatesResponse;

// As Caller::listener says it.
constexpr char kPublicListener[] = "public";

absl::Duration Uptime() {
    return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace

InspectionService::InspectionService(ServerFacts facts, const cert::CertDirectory& certificates,
                                     runtime::Scheduler& scheduler, ForwardList forward)
    : facts_(std::move(facts)),
      certificates_(certificates),
      scheduler_(scheduler),
      forward_(std::move(forward)),
      started_(Uptime()) {}

grpc::ServerUnaryReactor* InspectionService::GetServerInfo(grpc::CallbackServerContext* context,
                                                           const GetServerInfoRequest*,
                                                           provhub::v1::ServerInfo* response) {
    response->set_version(std::string(runtime::Version()));
    response->set_node_id(facts_.node_id);
    response->set_main_node(facts_.main_node);
    response->set_provisioning_mode(facts_.provisioning_mode);
    const absl::Duration uptime = Uptime() - started_;
    response->mutable_uptime()->set_seconds(absl::ToInt64Seconds(uptime));
    response->mutable_uptime()->set_nanos(
        static_cast<int>(absl::ToInt64Nanoseconds(uptime - absl::Seconds(absl::ToInt64Seconds(uptime)))));
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
}

grpc::ServerUnaryReactor* InspectionService::ListCertificates(grpc::CallbackServerContext* context,
                                                              const ListCertificatesRequest* request,
                                                              ListCertificatesResponse* response) {
    const bool elsewhere = !request->node_id().empty() && request->node_id() != facts_.node_id && forward_;
    // Whoever may come anonymously must not be able to keep the nodes busy.
    const bool anybody = elsewhere && CallerOf(*context).listener == kPublicListener;
    if (elsewhere && !anybody) {
        return forward_(context, *request, response);
    }
    auto* reactor = context->DefaultReactor();
    if (anybody) {
        reactor->Finish({grpc::StatusCode::PERMISSION_DENIED,
                         "the certificates of another node are told on the protected listener alone"});
        return reactor;
    }
    scheduler_.Post([this, reactor, request, response] { reactor->Finish(status::ToGrpc(List(*request, *response))); });
    return reactor;
}

absl::Status InspectionService::List(const ListCertificatesRequest& request, ListCertificatesResponse& response) const {
    if (!request.node_id().empty() && request.node_id() != facts_.node_id) {
        return absl::NotFoundError(absl::StrCat("this is node '", facts_.node_id,
                                                "', which knows of no other node: ask the main node for '",
                                                status::Shown(request.node_id()), "'"));
    }
    ASSIGN_OR_RETURN(response, node::ListCertificates(certificates_, request));
    return absl::OkStatus();
}

}  // namespace provhub::service
