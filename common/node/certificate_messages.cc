#include "common/node/certificate_messages.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status/macros.h"
#include "common/status/shown.h"

namespace provhub::node {
namespace {

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

iamanager::v6::CertInfo ToCertInfo(const cert::CertRecord& record) {
    iamanager::v6::CertInfo info;
    info.set_type(record.type);
    info.set_cert_url(record.cert_url);
    info.set_key_url(record.key_url);
    info.set_serial(record.serial);
    info.set_issuer(record.issuer_der);
    return info;
}

absl::StatusOr<provhub::v1::ListCertificatesResponse> ListCertificates(
    const cert::CertDirectory& directory, const provhub::v1::ListCertificatesRequest& request) {
    const auto known = directory.Types();
    for (const std::string& type : request.types()) {
        if (std::ranges::find(known, type) == known.end()) {
            return absl::NotFoundError(absl::StrCat("this node has no certificate type '", status::Shown(type), "'"));
        }
    }
    ASSIGN_OR_RETURN(const auto records, directory.List());
    provhub::v1::ListCertificatesResponse response;
    for (const cert::CertRecord& record : records) {
        if (request.types().empty() || std::ranges::find(request.types(), record.type) != request.types().end()) {
            ToProto(record, *response.add_certificates());
        }
    }
    return response;
}

}  // namespace provhub::node
