#include "common/service/public_cert_service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/node/certificate_messages.h"
#include "common/service/change_stream.h"
#include "common/status/shown.h"
#include "common/status/status.h"

namespace provhub::service {

using iamanager::v6::CertInfo;
using iamanager::v6::GetCertRequest;
using iamanager::v6::SubscribeCertChangedRequest;
using node::ToCertInfo;

grpc::ServerUnaryReactor* PublicCertService::GetCert(grpc::CallbackServerContext* context,
                                                     const GetCertRequest* request, CertInfo* response) {
    auto* reactor = context->DefaultReactor();
    scheduler_.Post([this, reactor, request, response] {
        const auto record = certificates_.Get(request->type(), request->issuer(), request->serial());
        if (record.ok()) {
            *response = ToCertInfo(*record);
        }
        reactor->Finish(status::ToGrpc(record.status()));
    });
    return reactor;
}

grpc::ServerWriteReactor<CertInfo>* PublicCertService::SubscribeCertChanged(
    grpc::CallbackServerContext*, const SubscribeCertChangedRequest* request) {
    const auto types = certificates_.Types();
    if (std::ranges::find(types, request->type()) == types.end()) {
        return new RefusedStream<CertInfo>(absl::NotFoundError(
            absl::StrCat("this node has no certificate type '", status::Shown(request->type()), "'")));
    }
    return ChangeStream<CertInfo>::Open(streams_, [&](ChangeStream<CertInfo>::Push push) {
        return certificates_.Subscribe(
            [push = std::move(push), type = request->type()](const cert::CertRecord& record) {
                if (record.type == type) {
                    push(record.type, ToCertInfo(record));
                }
            });
    });
}

}  // namespace provhub::service
