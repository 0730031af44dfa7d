// What simulated nodes answer.
#ifndef PROVHUB_TOOLS_NODESIM_ANSWERS_H_
#define PROVHUB_TOOLS_NODESIM_ANSWERS_H_

#include <string>
#include <vector>

#include "common/node/method_table.h"
#include "common/node/node_endpoint.h"
#include "common/node/node_state.h"
#include "tools/nodesim/certificate_requests.h"

namespace provhub::nodesim {

// Thread-safe.
class Answers {
 public:
    Answers(std::vector<std::string> cert_types, CertificateRequests& requests)
        : cert_types_(std::move(cert_types)), requests_(requests) {}

    // Carries `request` of `method` out for a node in `state`, which moves where the operation moves it. What a node in
    // that state does not do is refused, as real ones do; passwords and whether every certificate is there are not
    // looked at.
    node::Outcome To(const node::Method& method, const node::Request& request, node::NodeState& state) const;

 private:
    node::Outcome CreateKey(const node::Method& method, const iamanager::v6::CreateKeyRequest& request) const;
    node::Outcome ApplyCert(const node::Method& method, const iamanager::v6::ApplyCertRequest& request) const;

    const std::vector<std::string> cert_types_;
    CertificateRequests& requests_;
};

// An answer without an error to some other request than one of `method`.
node::Reply AnswerOfAnotherType(const node::Method& method);

}  // namespace provhub::nodesim

#endif  // PROVHUB_TOOLS_NODESIM_ANSWERS_H_
