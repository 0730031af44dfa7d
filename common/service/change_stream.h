// Server-streaming calls that tell a client of changes.
#ifndef PROVHUB_COMMON_SERVICE_CHANGE_STREAM_H_
#define PROVHUB_COMMON_SERVICE_CHANGE_STREAM_H_

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "common/runtime/listeners.h"
#include "common/service/call_gate.h"
#include "common/status/status.h"

namespace provhub::service {

// A stream that is over before it begins.
template <typename Message>
class RefusedStream final : public grpc::ServerWriteReactor<Message> {
 public:
    explicit RefusedStream(const absl::Status& status) { this->Finish(status::ToGrpc(status)); }
    void OnDone() override { delete this; }
};

// Owns itself until gRPC is done with it. Writes one message at a time; of the changes that come meanwhile it keeps the
// newest for each key, so a slow reader costs as much memory as there are keys and never holds up who tells of a
// change.
template <typename Message>
class ChangeStream final : public grpc::ServerWriteReactor<Message>,
                           public OpenCall,
                           public std::enable_shared_from_this<ChangeStream<Message>> {
 public:
    // Thread-safe, never blocks.
    using Push = std::function<void(std::string key, Message message)>;
    using Subscribe = std::function<runtime::Subscription(Push)>;

    // The client gets initial metadata when `subscribe` has returned: no change after that is lost.
    static grpc::ServerWriteReactor<Message>* Open(CallGate& gate, const Subscribe& subscribe) {
        auto stream = std::shared_ptr<ChangeStream>(new ChangeStream(gate));
        if (const auto admitted = gate.Enter(stream); !admitted.ok()) {
            return new RefusedStream<Message>(admitted);
        }
        stream->self_ = stream;
        stream->subscription_ = subscribe(
            [raw = stream.get()](std::string key, Message message) { raw->Add(std::move(key), std::move(message)); });
        stream->StartSendInitialMetadata();
        stream->Continue();
        return stream.get();
    }

    void Stop(const absl::Status& reason) override { End(reason); }

    void OnWriteDone(bool ok) override {
        if (!ok) {
            End(absl::CancelledError("the client has gone"));
        }
        Continue();
    }

    void OnCancel() override { End(absl::CancelledError("the client has gone")); }

    void OnDone() override {
        gate_.Leave(this);
        // Waits for a listener that is running, which does not block.
        subscription_ = {};
        auto self = std::move(self_);
    }

 private:
    explicit ChangeStream(CallGate& gate) : gate_(gate) {}

    void Add(std::string key, Message message) {
        {
            absl::MutexLock lock(&mutex_);
            if (ending_) {
                return;
            }
            auto [waiting, inserted] = newest_.insert_or_assign(std::move(key), std::move(message));
            if (inserted) {
                order_.push_back(waiting->first);
            }
            if (busy_) {
                return;
            }
            busy_ = true;
        }
        Continue();
    }

    void End(const absl::Status& reason) {
        {
            absl::MutexLock lock(&mutex_);
            if (ending_) {
                return;
            }
            ending_ = reason;
            if (busy_) {
                return;
            }
            busy_ = true;
        }
        Continue();
    }

    // Takes the next step of the stream. Only whoever holds `busy_` comes here, so that steps never overlap.
    void Continue() {
        bool more = false;
        std::optional<absl::Status> ending;
        {
            absl::MutexLock lock(&mutex_);
            if (ending_) {
                ending = ending_;
            } else if (order_.empty()) {
                busy_ = false;
                return;
            } else {
                auto next = newest_.extract(order_.front());
                order_.pop_front();
                writing_ = std::move(next.mapped());
                more = !order_.empty();
            }
        }
        if (ending) {
            this->Finish(status::ToGrpc(*ending));
            return;
        }
        this->StartWrite(&writing_, more ? grpc::WriteOptions().set_buffer_hint() : grpc::WriteOptions());
    }

    CallGate& gate_;
    std::shared_ptr<ChangeStream> self_;
    runtime::Subscription subscription_;
    // Owned by whoever holds `busy_`.
    Message writing_;
    absl::Mutex mutex_;
    // Open holds it until the initial metadata is on its way; afterwards held while a write is in flight and, at the
    // end, for good.
    bool busy_ ABSL_GUARDED_BY(mutex_) = true;
    std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
    absl::flat_hash_map<std::string, Message> newest_ ABSL_GUARDED_BY(mutex_);
    // Keys of newest_, in the order in which they got there.
    std::deque<std::string> order_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_CHANGE_STREAM_H_
