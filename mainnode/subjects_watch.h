// Looks at the unit's identity files from time to time.
#ifndef PROVHUB_MAINNODE_SUBJECTS_WATCH_H_
#define PROVHUB_MAINNODE_SUBJECTS_WATCH_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/node/file_identity.h"
#include "common/runtime/scheduler.h"

namespace provhub {

// Refreshes an identity every ten seconds, so that its listeners learn of changed subjects. What is under way when the
// watch is destroyed still ends, with the identity it shares.
class SubjectsWatch : public std::enable_shared_from_this<SubjectsWatch> {
 public:
    static std::shared_ptr<SubjectsWatch> Start(std::shared_ptr<node::FileIdentity> identity,
                                                runtime::Scheduler& scheduler);

 private:
    SubjectsWatch(std::shared_ptr<node::FileIdentity> identity, runtime::Scheduler& scheduler)
        : identity_(std::move(identity)), scheduler_(scheduler) {}

    void Arm();

    const std::shared_ptr<node::FileIdentity> identity_;
    runtime::Scheduler& scheduler_;
    absl::Mutex mutex_;
    std::unique_ptr<runtime::Timer> timer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub

#endif  // PROVHUB_MAINNODE_SUBJECTS_WATCH_H_
