#include "tools/provctl/expiry.h"

#include <map>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/crypto/csr.h"

namespace provhub::provctl {

std::vector<provhub::v1::Certificate> ExpiringWithin(const std::vector<provhub::v1::Certificate>& certificates,
                                                     absl::Time time) {
    std::map<std::string, const provhub::v1::Certificate*> in_use;
    for (const auto& certificate : certificates) {
        in_use[certificate.info().type()] = &certificate;
    }
    std::vector<provhub::v1::Certificate> expiring;
    for (const auto& certificate : certificates) {
        if (in_use[certificate.info().type()] == &certificate && certificate.has_not_after() &&
            absl::FromUnixSeconds(certificate.not_after().seconds()) <= time) {
            expiring.push_back(certificate);
        }
    }
    return expiring;
}

std::string CommonNameOf(absl::string_view subject) {
    for (absl::string_view part : absl::StrSplit(subject, absl::ByAnyChar(",+"))) {
        if (absl::ConsumePrefix(&part, "CN=")) {
            return crypto::ValidateCommonName(part).ok() ? std::string(part) : std::string();
        }
    }
    return {};
}

}  // namespace provhub::provctl
