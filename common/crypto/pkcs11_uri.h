// pkcs11: URIs (RFC 7512), as far as they name one object of one token.
#ifndef PROVHUB_COMMON_CRYPTO_PKCS11_URI_H_
#define PROVHUB_COMMON_CRYPTO_PKCS11_URI_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace provhub::crypto {

// An empty attribute is absent.
struct Pkcs11Uri {
    std::string token;
    std::string object;
    // CKA_ID, raw bytes.
    std::string id;
    // "private", "public" or "cert".
    std::string type;
    std::string module_path;
    // A path; a leading "file:" is taken off.
    std::string pin_source;

    bool operator==(const Pkcs11Uri&) const = default;
};

// pkcs11:token=..;object=..;id=%xx%xx?module-path=..&pin-source=.. , attributes in that order, absent ones left out.
std::string FormatPkcs11Uri(const Pkcs11Uri& uri);

// InvalidArgument for what is no pkcs11 URI or uses an attribute that would select objects in a way this struct cannot
// hold.
absl::StatusOr<Pkcs11Uri> ParsePkcs11Uri(absl::string_view text);

}  // namespace provhub::crypto

#endif  // PROVHUB_COMMON_CRYPTO_PKCS11_URI_H_
