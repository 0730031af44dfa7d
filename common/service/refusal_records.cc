#include "common/service/refusal_records.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace provhub::service {

void RecordRefusals(NodeTls& tls, audit::AuditLog* log, std::string node_id) {
    if (log == nullptr) {
        return;
    }
    tls.OnRefused([log, node_id = std::move(node_id)](const Refusal& refusal) {
        const std::string others =
            refusal.untold == 0 ? "" : absl::StrCat(" (and ", refusal.untold, " more refused before it)");
        log->AppendEvent({.event = "refused",
                          .caller = refusal.caller.name,
                          .method = refusal.method,
                          .node = node_id,
                          .result = absl::StatusCodeToString(refusal.reason.code()),
                          .message = absl::StrCat(refusal.reason.message(), others)});
    });
}

}  // namespace provhub::service
