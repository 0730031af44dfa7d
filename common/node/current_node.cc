#include "common/node/current_node.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/node/node_info.h"
#include "common/node/state_file.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::node {
namespace {

constexpr runtime::Log kLog("node");

}  // namespace

absl::StatusOr<std::unique_ptr<CurrentNode>> CurrentNode::Create(const config::v1::NodeInfo& config, bool main_node) {
    ASSIGN_OR_RETURN(iamanager::v6::NodeInfo info, ReadNodeInfo(config, main_node));
    const auto read = ReadStateFile(config.provisioning_state_path());
    StateRecord record{.state = NodeState::kError, .phase = Phase::kNone};
    if (read.ok()) {
        record = *read;
    } else {
        const absl::Status error = status::Annotate(read.status(), "the state of this node is not known");
        kLog.Error(absl::StrCat(error.message(), "; correct or remove the file, or deprovision the node"));
        *info.mutable_error() = status::ToErrorInfo(error);
    }
    return absl::WrapUnique(
        new CurrentNode(std::move(info), config.provisioning_state_path(), record.state, record.phase));
}

CurrentNode::CurrentNode(iamanager::v6::NodeInfo info, std::string state_path, NodeState state, Phase phase)
    : id_(info.node_id()), state_path_(std::move(state_path)), info_(std::move(info)), state_(state), phase_(phase) {
    info_.set_state(std::string(ToString(state)));
}

NodeState CurrentNode::state() const {
    absl::MutexLock lock(&mutex_);
    return state_;
}

Phase CurrentNode::phase() const {
    absl::MutexLock lock(&mutex_);
    return phase_;
}

iamanager::v6::NodeInfo CurrentNode::Info() const {
    absl::MutexLock lock(&mutex_);
    return info_;
}

absl::Status CurrentNode::Move(NodeState state, Phase phase) {
    {
        absl::MutexLock move_lock(&move_mutex_);
        const NodeState from = this->state();
        if (!IsAllowed(from, state)) {
            return absl::FailedPreconditionError(
                absl::StrCat("the node is ", ToString(from), " and can't become ", ToString(state)));
        }
        if (from == state && this->phase() == phase) {
            return absl::OkStatus();
        }
        RETURN_IF_ERROR(
            status::Annotate(WriteStateFile(state_path_, {.state = state, .phase = phase}, absl::Now()), "state file"));
        absl::MutexLock lock(&mutex_);
        phase_ = phase;
        if (from == state) {
            return absl::OkStatus();
        }
        state_ = state;
        info_.set_state(std::string(ToString(state)));
        if (from == NodeState::kError) {
            info_.clear_error();
        }
        changes_.push_back(info_);
    }
    Announce();
    return absl::OkStatus();
}

void CurrentNode::SetError(const absl::Status& error) {
    {
        absl::MutexLock lock(&mutex_);
        const std::string before = info_.error().SerializeAsString();
        const bool had_error = info_.has_error();
        info_.clear_error();
        if (!error.ok()) {
            *info_.mutable_error() = status::ToErrorInfo(error);
        }
        if (had_error == info_.has_error() && before == info_.error().SerializeAsString()) {
            return;
        }
        changes_.push_back(info_);
    }
    Announce();
}

void CurrentNode::Announce() {
    while (true) {
        iamanager::v6::NodeInfo change;
        {
            absl::MutexLock lock(&mutex_);
            if (announcing_ || changes_.empty()) {
                return;
            }
            announcing_ = true;
            change = std::move(changes_.front());
            changes_.pop_front();
        }
        listeners_.Notify(change);
        absl::MutexLock lock(&mutex_);
        announcing_ = false;
    }
}

}  // namespace provhub::node
