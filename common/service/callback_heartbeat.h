// Keeps gRPC's callback threads from dozing off.
#ifndef PROVHUB_COMMON_SERVICE_CALLBACK_HEARTBEAT_H_
#define PROVHUB_COMMON_SERVICE_CALLBACK_HEARTBEAT_H_

#include <memory>

#include "common/runtime/scheduler.h"

namespace provhub::service {

// A callback thread of gRPC 1.51 that has had nothing to do for a second sleeps for a tenth of one, whatever comes
// meanwhile: the first call after some silence may take that long. While an object of this class lives, the threads
// get something to do often enough that one of them is awake at any moment: a call, every 0.4 s, that fails inside
// this process without reaching for the network. One for a process is enough.
class CallbackHeartbeat {
 public:
    // `scheduler` MUST outlive it.
    explicit CallbackHeartbeat(runtime::Scheduler& scheduler);
    // Waits for the call that is under way, if any. MUST NOT run in a callback of gRPC.
    ~CallbackHeartbeat();
    CallbackHeartbeat(const CallbackHeartbeat&) = delete;
    CallbackHeartbeat& operator=(const CallbackHeartbeat&) = delete;

 private:
    class Beat;

    const std::shared_ptr<Beat> beat_;
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_CALLBACK_HEARTBEAT_H_
