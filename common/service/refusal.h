// A call or a stream that was not allowed.
#ifndef PROVHUB_COMMON_SERVICE_REFUSAL_H_
#define PROVHUB_COMMON_SERVICE_REFUSAL_H_

#include <functional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/service/caller.h"

namespace provhub::service {

struct Refusal {
    // Who; not authenticated where the certificate did not verify, but named by it all the same.
    Caller caller;
    std::string method;
    // The node that the caller says he is, or wants something of; empty: this node.
    std::string node;
    absl::Status reason;
};
// Runs the second argument once, inside the call or later on any thread: whoever is refused waits for it.
using RefusalListener = std::function<void(const Refusal&, absl::AnyInvocable<void()>)>;

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_REFUSAL_H_
