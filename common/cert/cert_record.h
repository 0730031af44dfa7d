// What is known of one certificate of this node.
#ifndef PROVHUB_COMMON_CERT_CERT_RECORD_H_
#define PROVHUB_COMMON_CERT_CERT_RECORD_H_

#include <string>

#include "absl/time/time.h"

namespace provhub::cert {

struct CertRecord {
    std::string type;
    // DER of the issuer's name.
    std::string issuer_der;
    // Upper-case hexadecimal.
    std::string serial;
    // RFC 7512.
    std::string cert_url;
    std::string key_url;
    // RFC 4514.
    std::string subject;
    std::string issuer;
    absl::Time not_before;
    absl::Time not_after;
    bool self_signed = false;
    // CKA_ID of the key and the certificate, raw bytes.
    std::string object_id;

    bool operator==(const CertRecord&) const = default;
};

}  // namespace provhub::cert

#endif  // PROVHUB_COMMON_CERT_CERT_RECORD_H_
