// A look at the certificates of a node.
#ifndef PROVHUB_COMMON_CERT_CERT_DIRECTORY_H_
#define PROVHUB_COMMON_CERT_CERT_DIRECTORY_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/cert/cert_record.h"
#include "common/runtime/listeners.h"

namespace provhub::cert {

// What the programs of the unit may ask about this node's certificates. Thread-safe, answers from memory or the
// database, never from the token.
class CertDirectory {
 public:
    virtual ~CertDirectory() = default;

    // Every configured type, self-signed ones included, in the configuration's order.
    virtual std::vector<std::string> Types() const = 0;

    // With `issuer_der` and `serial`: that certificate; with both empty: the newest of the type.
    // Errors: NotFound (type, certificate), InvalidArgument (one of the two is empty).
    virtual absl::StatusOr<CertRecord> Get(absl::string_view type, absl::string_view issuer_der,
                                           absl::string_view serial) const = 0;

    // Oldest first within a type.
    virtual absl::StatusOr<std::vector<CertRecord>> List() const = 0;

    // Tells of every certificate that comes into use from now on, of any type: on the thread that brought it, before
    // the keys of older ones are removed. The listener may use the token; nothing else may hold it up.
    [[nodiscard]] virtual runtime::Subscription Subscribe(std::function<void(const CertRecord&)> listener) = 0;
};

}  // namespace provhub::cert

#endif  // PROVHUB_COMMON_CERT_CERT_DIRECTORY_H_
