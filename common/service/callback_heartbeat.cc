#include "common/service/callback_heartbeat.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "iamanager/version.grpc.pb.h"

namespace provhub::service {
namespace {

using iamanager::IAMVersionService;

constexpr absl::Duration kInterval = absl::Milliseconds(400);

}  // namespace

class CallbackHeartbeat::Beat : public std::enable_shared_from_this<Beat> {
 public:
    explicit Beat(runtime::Scheduler& scheduler)
        : scheduler_(scheduler),
          // Without credentials every call fails at once, of itself.
          stub_(IAMVersionService::NewStub(grpc::CreateChannel("", nullptr))) {}

    void Call() {
        {
            absl::MutexLock lock(&mutex_);
            if (stopping_) {
                return;
            }
            calling_ = true;
        }
        context_.emplace();
        stub_->async()->GetAPIVersion(&*context_, &request_, &response_, [this](const grpc::Status&) { Called(); });
    }

    void Stop() {
        absl::MutexLock lock(&mutex_);
        stopping_ = true;
        const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !calling_; };
        mutex_.Await(absl::Condition(&idle));
        timer_ = nullptr;
    }

 private:
    void Arm() {
        absl::MutexLock lock(&mutex_);
        timer_ = scheduler_.After(kInterval, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->Call();
            }
        });
    }

    void Called() {
        Arm();
        absl::MutexLock lock(&mutex_);
        calling_ = false;
    }

    runtime::Scheduler& scheduler_;
    const std::unique_ptr<IAMVersionService::Stub> stub_;
    // Of the call that is under way.
    std::optional<grpc::ClientContext> context_;
    google::protobuf::Empty request_;
    iamanager::APIVersion response_;
    absl::Mutex mutex_;
    bool calling_ ABSL_GUARDED_BY(mutex_) = false;
    bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
    std::unique_ptr<runtime::Timer> timer_ ABSL_GUARDED_BY(mutex_);
};

CallbackHeartbeat::CallbackHeartbeat(runtime::Scheduler& scheduler) : beat_(std::make_shared<Beat>(scheduler)) {
    beat_->Call();
}

CallbackHeartbeat::~CallbackHeartbeat() {
    beat_->Stop();
}

}  // namespace provhub::service
