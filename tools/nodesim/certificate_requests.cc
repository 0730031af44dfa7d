#include "tools/nodesim/certificate_requests.h"

#include <cstddef>
#include <utility>

#include "common/crypto/csr.h"
#include "common/status/macros.h"

namespace provhub::nodesim {
namespace {

constexpr std::size_t kMaxKept = 1024;

}  // namespace

absl::StatusOr<std::string> CertificateRequests::For(absl::string_view subject) {
    {
        absl::MutexLock lock(&mutex_);
        if (const auto found = made_.find(subject); found != made_.end()) {
            return found->second;
        }
    }
    RETURN_IF_ERROR(crypto::ValidateCommonName(subject));
    crypto::CertificateRequest request;
    request.common_name = std::string(subject);
    request.extended_key_usage = {crypto::ExtendedKeyUsage::kClientAuth};
    ASSIGN_OR_RETURN(std::string csr, crypto::CreateCsr(key_.get(), request));
    absl::MutexLock lock(&mutex_);
    if (made_.size() < kMaxKept) {
        made_.emplace(std::string(subject), csr);
    }
    return csr;
}

}  // namespace provhub::nodesim
