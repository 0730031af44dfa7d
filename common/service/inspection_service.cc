#include "common/service/inspection_service.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/runtime/version.h"
#include "common/service/public_cert_service.h"
#include "common/status/macros.h"
#include "common/status/status.h"

namespace provhub::service {
namespace {

using provhub::v1::GetServerInfoRequest;
using provhub::v1::ListCertificatesRequest;
using provhub::v1::ListCertificatesResponse;

absl::Duration Uptime() {
    return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

void ToProto(absl::Time time, google::protobuf::Timestamp& proto) {
    proto.set_seconds(absl::ToUnixSeconds(time));
    proto.set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(proto.seconds()))));
}

void ToProto(const cert::CertRecord& record, provhub::v1::Certificate& proto) {
    *proto.mutable_info() = ToCertInfo(record);
    proto.set_subject(record.subject);
    proto.set_issuer(record.issuer);
    ToProto(record.not_before, *proto.mutable_not_before());
    ToProto(record.not_after, *proto.mutable_not_after());
    proto.set_self_signed(record.self_signed);
}

}  // namespace

InspectionService::InspectionService(ServerFacts facts, const cert::CertDirectory& certificates,
                                     runtime::Scheduler& scheduler)
    : facts_(std::move(facts)), certificates_(certificates), scheduler_(scheduler), started_(Uptime()) {}

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
    auto* reactor = context->DefaultReactor();
    scheduler_.Post([this, reactor, request, response] { reactor->Finish(status::ToGrpc(List(*request, *response))); });
    return reactor;
}

absl::Status InspectionService::List(const ListCertificatesRequest& request, ListCertificatesResponse& response) const {
    const auto known = certificates_.Types();
    for (const std::string& type : request.types()) {
        if (std::ranges::find(known, type) == known.end()) {
            return absl::NotFoundError(
                absl::StrCat("this node has no certificate type '", absl::CHexEscape(type.substr(0, 64)), "'"));
        }
    }
    ASSIGN_OR_RETURN(const auto records, certificates_.List());
    for (const cert::CertRecord& record : records) {
        if (request.types().empty() || std::ranges::find(request.types(), record.type) != request.types().end()) {
            ToProto(record, *response.add_certificates());
        }
    }
    return absl::OkStatus();
}

}  // namespace provhub::service
