#include "common/audit/audited_endpoint.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/node/method_table.h"
#include "common/runtime/log.h"

namespace provhub::audit {
namespace {

constexpr runtime::Log kLog("audit");

// What of a caller's text is repeated.
constexpr std::size_t kMaxQuoted = 128;

// What is asked for beside the method and the node. Never a password.
std::string Describe(const node::Request& request) {
    const absl::string_view type = node::CertType(request);
    std::string text = type.empty() ? "" : absl::StrCat("type ", type.substr(0, kMaxQuoted));
    if (request.has_create_key_request() && !request.create_key_request().subject().empty()) {
        absl::StrAppend(&text, ", subject ", request.create_key_request().subject().substr(0, kMaxQuoted));
    }
    return text;
}

// The record "done" of what `begun` is the first record of.
Event Conclude(Event begun, const node::Outcome& outcome, absl::Duration duration) {
    const absl::Status result = outcome.ok() ? node::ReplyStatus(*outcome) : outcome.status();
    begun.event = "done";
    begun.result = absl::StatusCodeToString(result.code());
    begun.duration = duration;
    if (!result.ok()) {
        begun.message = std::string(result.message());
    } else if (outcome->has_apply_cert_response()) {
        absl::StrAppend(&begun.message, ", serial ", outcome->apply_cert_response().cert_info().serial());
    }
    return begun;
}

absl::Status Refusal(const absl::Status& failure) {
    const auto code = absl::IsResourceExhausted(failure) ? failure.code() : absl::StatusCode::kUnavailable;
    return absl::Status(code, absl::StrCat("the audit log can't be written: nothing was begun: ", failure.message()));
}

}  // namespace

AuditedEndpoint::~AuditedEndpoint() {
    const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return waiting_ == 0; };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&none));
}

void AuditedEndpoint::Call(node::Request request, node::CallContext context, node::Done done) {
    const node::Method* method = node::FindByRequest(request.IAMIncomingMessage_case());
    if (method == nullptr || method->concurrency == node::Concurrency::kAny) {
        endpoint_.Call(std::move(request), std::move(context), std::move(done));
        return;
    }
    const absl::string_view node_id = node::NodeId(request);
    Event event{.event = "begun",
                .operation_id = context.operation_id,
                .caller = context.caller,
                .method = std::string(method->name),
                .node = std::string(node_id.empty() ? absl::string_view(own_id_) : node_id),
                .message = Describe(request)};
    {
        absl::MutexLock lock(&mutex_);
        ++waiting_;
    }
    log_.Append(event, AuditLog::Room::kBounded,
                [this, event, begun = clock_.Now(), request = std::move(request), context = std::move(context),
                 done = std::move(done)](const absl::Status& status) mutable {
                    if (status.ok()) {
                        HandOn(std::move(request), std::move(context), std::move(event), begun, std::move(done));
                    } else {
                        done(Refusal(status));
                    }
                    absl::MutexLock lock(&mutex_);
                    --waiting_;
                });
}

void AuditedEndpoint::HandOn(node::Request request, node::CallContext context, Event event, absl::Time begun,
                             node::Done done) {
    // May run when this object is gone.
    auto conclude = [&log = log_, &clock = clock_, event = std::move(event), begun,
                     done = std::move(done)](node::Outcome outcome) mutable {
        const std::string what = absl::StrCat("[", event.operation_id, "] ", event.method);
        Event result = Conclude(std::move(event), outcome, clock.Now() - begun);
        log.Append(
            std::move(result), AuditLog::Room::kReserved,
            [what, outcome = std::move(outcome), done = std::move(done)](const absl::Status& status) mutable {
                if (!status.ok()) {
                    kLog.Error(absl::StrCat(what, " is done, its result is not in the audit log: ", status.message()));
                }
                done(std::move(outcome));
            });
    };
    endpoint_.Call(std::move(request), std::move(context), std::move(conclude));
}

}  // namespace provhub::audit
