// The names that a certificate gives its subject.
#ifndef PROVHUB_COMMON_CRYPTO_SUBJECT_NAMES_H_
#define PROVHUB_COMMON_CRYPTO_SUBJECT_NAMES_H_

#include <string>
#include <vector>

#include "common/crypto/certificate.h"

namespace provhub::crypto {

// Subject alternative names (RFC 5280 §4.2.1.6) of type URI, and all of the types URI, DNS name, e-mail address and IP
// address (as text). Names with a NUL in them, which other programs would cut off there, are left out.
std::vector<std::string> UriNames(const Certificate& certificate);
std::vector<std::string> AlternativeNames(const Certificate& certificate);

// Every common name, and organizational unit, of the subject, UTF-8.
std::vector<std::string> CommonNames(const Certificate& certificate);
std::vector<std::string> OrganizationalUnits(const Certificate& certificate);

// SHA-256 of the SubjectPublicKeyInfo: 64 lower-case hexadecimal digits.
std::string PublicKeyDigest(const Certificate& certificate);

}  // namespace provhub::crypto

#endif  // PROVHUB_COMMON_CRYPTO_SUBJECT_NAMES_H_
