#include "common/service/tls_identity.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/runtime/log.h"
#include "common/status/status.h"

namespace provhub::service {
namespace {

constexpr runtime::Log kLog("tls");

}  // namespace

// Shared with the work that is posted, which may begin after the owner has gone.
class TlsIdentity::State : public std::enable_shared_from_this<State> {
 public:
    State(std::string type, node::NodeCore& core, runtime::Scheduler& scheduler)
        : type_(std::move(type)), core_(core), scheduler_(scheduler) {}

    const std::string& type() const { return type_; }

    absl::StatusOr<std::shared_ptr<const tls::Identity>> Current() const {
        absl::MutexLock lock(&mutex_);
        return current_;
    }

    runtime::Subscription Subscribe(std::function<void()> listener) { return listeners_.Add(std::move(listener)); }

    // Never blocks. What changes while the token is being read has it read once more.
    void ReadSoon() {
        {
            absl::MutexLock lock(&mutex_);
            if (closed_ || std::exchange(due_, true)) {
                return;
            }
        }
        scheduler_.Post([self = shared_from_this()] { self->ReadNow(); });
    }

    // Blocks on the token. On return Current answers what the node had when the call came.
    void ReadNow() {
        {
            absl::MutexLock lock(&mutex_);
            mutex_.Await(absl::Condition(this, &State::Idle));
            if (closed_) {
                return;
            }
            due_ = false;
            reading_ = true;
        }
        const bool changed = Read();
        {
            absl::MutexLock lock(&mutex_);
            reading_ = false;
        }
        if (changed) {
            listeners_.Notify();
        }
    }

    void Close() {
        absl::MutexLock lock(&mutex_);
        closed_ = true;
        mutex_.Await(absl::Condition(this, &State::Idle));
    }

 private:
    bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !reading_; }

    // True where Current has changed.
    bool Read() {
        const auto record = core_.certificates().Get(type_, "", "");
        if (!record.ok()) {
            return Set(absl::FailedPreconditionError(absl::StrCat(
                record.status().message(), " (certStorage): start with --provisioning and run provctl provision")));
        }
        auto identity = core_.LoadIdentity(*record);
        if (!identity.ok()) {
            return Failed(status::Annotate(identity.status(),
                                           absl::StrCat("the certificate ", record->serial, " of type '", type_, "'")));
        }
        auto ready = std::make_shared<const tls::Identity>(*std::move(identity));
        if (!Set(ready)) {
            return false;
        }
        kLog.Notice(absl::StrCat("TLS uses the certificate ", ready->subject, " (sha256 ", ready->fingerprint,
                                 "), valid until ", absl::FormatTime(ready->not_after, absl::UTCTimeZone())));
        return true;
    }

    bool Failed(const absl::Status& status) {
        absl::MutexLock lock(&mutex_);
        if (current_.ok()) {
            kLog.Error(absl::StrCat(status.message(), "; TLS goes on with the certificate before it"));
            return false;
        }
        current_ = status;
        return true;
    }

    bool Set(absl::StatusOr<std::shared_ptr<const tls::Identity>> value) {
        absl::MutexLock lock(&mutex_);
        const bool same = current_.ok() == value.ok() && (value.ok() ? (*current_)->fingerprint == (*value)->fingerprint
                                                                     : current_.status() == value.status());
        if (!same) {
            current_ = std::move(value);
        }
        return !same;
    }

    const std::string type_;
    node::NodeCore& core_;
    runtime::Scheduler& scheduler_;
    mutable absl::Mutex mutex_;
    absl::StatusOr<std::shared_ptr<const tls::Identity>> current_ ABSL_GUARDED_BY(mutex_) =
        absl::FailedPreconditionError("certStorage is not set: it names the certificate type that TLS uses");
    // Reading has been posted and not begun.
    bool due_ ABSL_GUARDED_BY(mutex_) = false;
    bool reading_ ABSL_GUARDED_BY(mutex_) = false;
    bool closed_ ABSL_GUARDED_BY(mutex_) = false;
    runtime::Listeners<> listeners_;
};

TlsIdentity::TlsIdentity(std::string type, node::NodeCore& core, runtime::Scheduler& scheduler)
    : state_(std::make_shared<State>(std::move(type), core, scheduler)) {
    if (state_->type().empty()) {
        return;
    }
    // At once: while the listener runs the key before this one is still there, so no handshake needs one that is gone.
    certificates_ = core.certificates().Subscribe([state = state_](const cert::CertRecord& record) {
        if (record.type == state->type()) {
            state->ReadNow();
        }
    });
    // Of the end of all certificates only the node's state tells.
    node_ = core.current_node().Subscribe([state = state_](const iamanager::v6::NodeInfo&) { state->ReadSoon(); });
    state_->ReadNow();
}

void TlsIdentity::Stop() {
    certificates_ = {};
    node_ = {};
    state_->Close();
}

absl::StatusOr<std::shared_ptr<const tls::Identity>> TlsIdentity::Current() const {
    return state_->Current();
}

runtime::Subscription TlsIdentity::Subscribe(std::function<void()> listener) {
    return state_->Subscribe(std::move(listener));
}

}  // namespace provhub::service
