#include "mainnode/registry/node_registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/macros.h"

namespace provhub::registry {
namespace {

using iamanager::v6::NodeInfo;

bool SameInfo(const NodeInfo& a, const NodeInfo& b) {
    return a.SerializeAsString() == b.SerializeAsString();
}

void SetTime(absl::Time time, google::protobuf::Timestamp& timestamp) {
    const std::int64_t micros = absl::ToUnixMicros(time);
    timestamp.set_seconds(micros / 1'000'000);
    timestamp.set_nanos(static_cast<int>(micros % 1'000'000) * 1000);
}

}  // namespace

absl::StatusOr<std::unique_ptr<NodeRegistry>> NodeRegistry::Open(const std::string& path,
                                                                 node::CurrentNode& current_node,
                                                                 runtime::Scheduler& scheduler) {
    ASSIGN_OR_RETURN(auto store, NodeStore::Open(path));
    ASSIGN_OR_RETURN(auto stored, store->Load());
    auto writer = std::make_shared<NodeWriter>(std::move(store), scheduler);
    auto registry = std::unique_ptr<NodeRegistry>(new NodeRegistry(current_node, scheduler, std::move(writer)));
    registry->TakeOver(std::move(stored));
    registry->own_changes_ = current_node.Subscribe([raw = registry.get()](const NodeInfo&) { raw->RefreshOwn(); });
    registry->RefreshOwn();
    return registry;
}

NodeRegistry::NodeRegistry(node::CurrentNode& current_node, runtime::Scheduler& scheduler,
                           std::shared_ptr<NodeWriter> writer)
    : current_node_(current_node), scheduler_(scheduler), writer_(std::move(writer)) {}

NodeRegistry::~NodeRegistry() {
    own_changes_ = {};
    writer_->Flush();
}

void NodeRegistry::TakeOver(std::vector<v1::NodeStatus> stored) {
    absl::MutexLock lock(&mutex_);
    for (v1::NodeStatus& node : stored) {
        if (node.info().node_id() == own_id()) {
            continue;
        }
        const bool was_connected = node.connected();
        if (was_connected) {
            node.set_connected(false);
            SetTime(scheduler_.Now(), *node.mutable_changed());
        }
        std::string id = node.info().node_id();
        auto record = std::make_shared<const v1::NodeStatus>(std::move(node));
        if (was_connected) {
            writer_->Put(record);
        }
        nodes_.emplace(std::move(id), Entry{std::move(record)});
    }
}

void NodeRegistry::RefreshOwn() {
    {
        absl::MutexLock lock(&mutex_);
        // Asked for here, so that of two changes at once the newer one is what stays.
        const NodeInfo info = current_node_.Info();
        Entry& entry = nodes_[own_id()];
        if (entry.node == nullptr) {
            v1::NodeStatus node;
            *node.mutable_info() = info;
            node.set_connected(true);
            SetTime(scheduler_.Now(), *node.mutable_changed());
            entry.node = std::make_shared<const v1::NodeStatus>(std::move(node));
        } else {
            ReplaceInfo(entry, info);
        }
    }
    Tell();
}

absl::Status NodeRegistry::CheckConnect(absl::string_view node_id) const {
    absl::MutexLock lock(&mutex_);
    return CheckConnectLocked(node_id);
}

absl::Status NodeRegistry::CheckConnectLocked(absl::string_view node_id) const {
    if (node_id == own_id()) {
        return absl::PermissionDeniedError(
            absl::StrCat("node ID '", own_id(), "' is that of the main node; give this node an ID of its own"));
    }
    if (nodes_.size() >= kMaxNodes && !nodes_.contains(std::string_view(node_id.data(), node_id.size()))) {
        return absl::ResourceExhaustedError(
            absl::StrCat("the main node knows ", nodes_.size(), " nodes already and takes no more"));
    }
    return absl::OkStatus();
}

absl::Status NodeRegistry::Connect(const NodeInfo& info, std::uint64_t generation) {
    {
        absl::MutexLock lock(&mutex_);
        RETURN_IF_ERROR(CheckConnectLocked(info.node_id()));
        const auto found = nodes_.try_emplace(info.node_id()).first;
        if (found->second.generation > generation) {
            return absl::AbortedError("replaced by a newer stream");
        }
        found->second.generation = generation;
        v1::NodeStatus node;
        *node.mutable_info() = info;
        node.set_connected(true);
        SetTime(scheduler_.Now(), *node.mutable_changed());
        Replace(found->second, std::move(node));
    }
    Tell();
    return absl::OkStatus();
}

void NodeRegistry::Disconnect(absl::string_view node_id, std::uint64_t generation) {
    {
        absl::MutexLock lock(&mutex_);
        Entry* entry = Current(node_id, generation);
        if (entry == nullptr || !entry->node->connected()) {
            return;
        }
        v1::NodeStatus node = *entry->node;
        node.set_connected(false);
        SetTime(scheduler_.Now(), *node.mutable_changed());
        Replace(*entry, std::move(node));
    }
    Tell();
}

void NodeRegistry::Update(const NodeInfo& info, std::uint64_t generation) {
    {
        absl::MutexLock lock(&mutex_);
        if (Entry* entry = Current(info.node_id(), generation)) {
            ReplaceInfo(*entry, info);
        }
    }
    Tell();
}

void NodeRegistry::SetState(absl::string_view node_id, node::NodeState state, std::uint64_t generation) {
    {
        absl::MutexLock lock(&mutex_);
        if (Entry* entry = Current(node_id, generation)) {
            NodeInfo info = entry->node->info();
            info.set_state(std::string(node::ToString(state)));
            ReplaceInfo(*entry, info);
        }
    }
    Tell();
}

NodeStatusPtr NodeRegistry::Find(absl::string_view node_id) const {
    absl::MutexLock lock(&mutex_);
    const auto found = nodes_.find(std::string_view(node_id.data(), node_id.size()));
    return found == nodes_.end() ? nullptr : found->second.node;
}

std::vector<NodeStatusPtr> NodeRegistry::List(absl::string_view after, std::size_t limit) const {
    std::vector<NodeStatusPtr> nodes;
    absl::MutexLock lock(&mutex_);
    for (auto next = nodes_.upper_bound(std::string_view(after.data(), after.size()));
         next != nodes_.end() && nodes.size() < limit; ++next) {
        nodes.push_back(next->second.node);
    }
    return nodes;
}

NodeRegistry::Entry* NodeRegistry::Current(absl::string_view node_id, std::uint64_t generation) {
    const auto found = nodes_.find(std::string_view(node_id.data(), node_id.size()));
    const bool current = found != nodes_.end() && found->second.generation == generation && generation != 0;
    return current ? &found->second : nullptr;
}

void NodeRegistry::ReplaceInfo(Entry& entry, const NodeInfo& info) {
    if (SameInfo(entry.node->info(), info)) {
        return;
    }
    v1::NodeStatus node = *entry.node;
    *node.mutable_info() = info;
    Replace(entry, std::move(node));
}

void NodeRegistry::Replace(Entry& entry, v1::NodeStatus node) {
    const bool info_changed = entry.node == nullptr || !SameInfo(entry.node->info(), node.info());
    entry.node = std::make_shared<const v1::NodeStatus>(std::move(node));
    untold_.push_back({entry.node, info_changed});
    if (entry.node->info().node_id() != own_id()) {
        writer_->Put(entry.node);
    }
}

void NodeRegistry::Tell() {
    absl::MutexLock lock(&mutex_);
    if (telling_) {
        return;
    }
    telling_ = true;
    while (!untold_.empty()) {
        const NodeChange change = std::move(untold_.front());
        untold_.pop_front();
        mutex_.Unlock();
        listeners_.Notify(change);
        mutex_.Lock();
    }
    telling_ = false;
}

}  // namespace provhub::registry
