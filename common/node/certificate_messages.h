// This node's certificates in the messages of the API.
#ifndef PROVHUB_COMMON_NODE_CERTIFICATE_MESSAGES_H_
#define PROVHUB_COMMON_NODE_CERTIFICATE_MESSAGES_H_

#include "absl/status/statusor.h"
#include "common/cert/cert_directory.h"
#include "common/cert/cert_record.h"
#include "iamanager/v6/cert_info.pb.h"
#include "provhub/v1/certificates.pb.h"

namespace provhub::node {

iamanager::v6::CertInfo ToCertInfo(const cert::CertRecord& record);

// What `directory` has of the types asked for, oldest first within a type; whose node_id it is has been looked at
// before. May block on the database.
//
// Errors: NotFound (a type).
absl::StatusOr<provhub::v1::ListCertificatesResponse> ListCertificates(
    const cert::CertDirectory& directory, const provhub::v1::ListCertificatesRequest& request);

}  // namespace provhub::node

#endif  // PROVHUB_COMMON_NODE_CERTIFICATE_MESSAGES_H_
