#include "mainnode/registry/node_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/runtime/log.h"

namespace provhub::registry {
namespace {

constexpr runtime::Log kLog("registry");

constexpr absl::Duration kRetryAfter = absl::Seconds(10);

}  // namespace

void NodeWriter::Put(NodeStatusPtr node) {
    {
        absl::MutexLock lock(&mutex_);
        std::string id = node->info().node_id();
        waiting_.insert_or_assign(std::move(id), std::move(node));
        if (writing_) {
            return;
        }
        writing_ = true;
    }
    WriteLater();
}

void NodeWriter::Flush() {
    {
        absl::MutexLock lock(&mutex_);
        const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !writing_; };
        mutex_.Await(absl::Condition(&idle));
        writing_ = true;
    }
    WriteAll();
}

void NodeWriter::WriteLater() {
    scheduler_.Post([self = shared_from_this()] { self->WriteAll(); });
}

void NodeWriter::WriteAll() {
    for (;;) {
        std::map<std::string, NodeStatusPtr> batch;
        {
            absl::MutexLock lock(&mutex_);
            if (waiting_.empty()) {
                writing_ = false;
                return;
            }
            batch.swap(waiting_);
        }
        std::vector<NodeStatusPtr> nodes;
        nodes.reserve(batch.size());
        for (const auto& [unused, node] : batch) {
            nodes.push_back(node);
        }
        const absl::Status saved = store_->Save(nodes);
        if (saved.ok()) {
            continue;
        }
        kLog.Error(absl::StrCat(saved.message(), "; ", batch.size(), " nodes are not stored yet, trying again in ",
                                absl::FormatDuration(kRetryAfter)));
        auto retry = scheduler_.After(kRetryAfter, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                {
                    absl::MutexLock lock(&self->mutex_);
                    if (self->writing_ || self->waiting_.empty()) {
                        return;
                    }
                    self->writing_ = true;
                }
                self->WriteLater();
            }
        });
        absl::MutexLock lock(&mutex_);
        // Newer versions of the same nodes stay.
        waiting_.merge(batch);
        retry_.swap(retry);
        writing_ = false;
        return;
    }
}

}  // namespace provhub::registry
