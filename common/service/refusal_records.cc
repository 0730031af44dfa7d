#include "common/service/refusal_records.h"

#include "absl/strings/str_cat.h"
#include "common/runtime/log.h"

namespace provhub::service {

RefusalRecords::RefusalRecords(NodeTls& tls, audit::AuditLog* log, const std::string& node_id) : log_(log) {
    if (log == nullptr) {
        return;
    }
    tls.OnRefused([this, node_id](const Refusal& refusal) { Append(refusal, node_id); });
    runtime::OnHandshakeFailure([log, node_id](absl::string_view message) {
        log->AppendEvent({.event = "refused",
                          .node = node_id,
                          .result = absl::StatusCodeToString(absl::StatusCode::kUnauthenticated),
                          .message = std::string(message)});
    });
}

RefusalRecords::~RefusalRecords() {
    if (log_ != nullptr) {
        runtime::OnHandshakeFailure({});
    }
}

void RefusalRecords::Append(const Refusal& refusal, const std::string& node) const {
    if (log_ == nullptr) {
        return;
    }
    const std::string others =
        refusal.untold == 0 ? "" : absl::StrCat(" (and ", refusal.untold, " more refused before it)");
    log_->AppendEvent({.event = "refused",
                       .caller = refusal.caller.name,
                       .method = refusal.method,
                       .node = node,
                       .result = absl::StatusCodeToString(refusal.reason.code()),
                       .message = absl::StrCat(refusal.reason.message(), others)});
}

}  // namespace provhub::service
