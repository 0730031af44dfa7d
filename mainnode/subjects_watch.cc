#include "mainnode/subjects_watch.h"

#include <utility>

namespace provhub {
namespace {

constexpr absl::Duration kInterval = absl::Seconds(10);

}  // namespace

std::shared_ptr<SubjectsWatch> SubjectsWatch::Start(std::shared_ptr<node::FileIdentity> identity,
                                                    runtime::Scheduler& scheduler) {
    std::shared_ptr<SubjectsWatch> watch(new SubjectsWatch(std::move(identity), scheduler));
    watch->Arm();
    return watch;
}

void SubjectsWatch::Arm() {
    auto timer = scheduler_.After(kInterval, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->scheduler_.Post([self] {
                self->identity_->Refresh();
                self->Arm();
            });
        }
    });
    absl::MutexLock lock(&mutex_);
    timer_.swap(timer);
}

}  // namespace provhub
