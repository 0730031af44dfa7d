#include "common/service/refusal_records.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/runtime/log.h"
#include "common/status/shown.h"

namespace provhub::service {
namespace {

constexpr runtime::Log kLog("server");

constexpr double kAtOnce = 100;
constexpr double kPerSecond = 5;
// Long enough for every method there is.
constexpr std::size_t kLongestMethod = 128;

}  // namespace

RefusalRecords::RefusalRecords(audit::AuditLog* log, const runtime::Scheduler& clock, const std::string& node_id)
    : log_(log), clock_(clock), node_id_(node_id), limit_(kAtOnce, kPerSecond) {
    if (log == nullptr) {
        return;
    }
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

void RefusalRecords::Add(const Refusal& refusal, absl::AnyInvocable<void()> done) {
    const auto untold = limit_.Admit(clock_.Now());
    if (!untold) {
        done();
        return;
    }
    const std::string method = status::Shown(refusal.method, kLongestMethod);
    const std::string others = *untold == 0 ? "" : absl::StrCat(" (and ", *untold, " more refused before it)");
    kLog.Warning(
        absl::StrCat("refused ", refusal.caller.name, " to call ", method, ": ", refusal.reason.message(), others));
    if (log_ == nullptr) {
        done();
        return;
    }
    log_->AppendEvent({.event = "refused",
                       .caller = refusal.caller.name,
                       .method = method,
                       .node = refusal.node.empty() ? node_id_ : status::Shown(refusal.node),
                       .result = absl::StatusCodeToString(refusal.reason.code()),
                       .message = absl::StrCat(refusal.reason.message(), others)},
                      std::move(done));
}

RefusalListener RefusalRecords::Listener() {
    return [this](const Refusal& refusal, absl::AnyInvocable<void()> done) { Add(refusal, std::move(done)); };
}

}  // namespace provhub::service
