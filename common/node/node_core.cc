#include "common/node/node_core.h"

#include <cstddef>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/cert/cert_handler.h"
#include "common/cert/cert_store.h"
#include "common/cert/token.h"
#include "common/config/config.h"
#include "common/crypto/csr.h"
#include "common/hsm/engine.h"
#include "common/node/node_operations.h"
#include "common/provisioning/password_gate.h"
#include "common/provisioning/provision_manager.h"
#include "common/provisioning/token_ownership.h"
#include "common/runtime/atomic_file.h"
#include "common/runtime/lock_file.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::node {
namespace {

constexpr runtime::Log kLog("node");

constexpr std::size_t kMaxIdentityBytes = 4096;

absl::Status MakeWorkingDir(const std::string& path) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
        return absl::OkStatus();
    }
    std::filesystem::create_directories(path, error);
    if (!error) {
        std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
    }
    if (error) {
        return absl::FailedPreconditionError(absl::StrCat("workingDir '", path, "': ", error.message()));
    }
    return absl::OkStatus();
}

// The unit's system ID where there is one, else the node's, as far as they can be a common name.
std::string SelfSignedName(const std::string& system_id_path, const std::string& node_id) {
    if (const auto content = runtime::ReadSmallFile(system_id_path, kMaxIdentityBytes); content.ok()) {
        const std::vector<std::string> lines = absl::StrSplit(*content, '\n');
        const std::string system_id(absl::StripAsciiWhitespace(lines.front()));
        if (crypto::ValidateCommonName(system_id).ok()) {
            return system_id;
        }
    }
    return crypto::ValidateCommonName(node_id).ok() ? node_id : "node";
}

class NodeCoreImpl final : public NodeCore {
 public:
    static absl::StatusOr<std::unique_ptr<NodeCore>> Create(const config::v1::Config& config,
                                                            const NodeCoreOptions& options,
                                                            runtime::Scheduler& scheduler,
                                                            NodeCoreDependencies dependencies);

    // Operations that still run end at their next step.
    ~NodeCoreImpl() override {
        if (dependencies_.hooks != nullptr) {
            dependencies_.hooks->Stop();
        }
    }

    CurrentNode& current_node() override { return *node_; }
    cert::CertDirectory& certificates() override { return *certificates_; }
    NodeEndpoint& operations() override { return *operations_; }
    absl::StatusOr<tls::Identity> LoadIdentity(const cert::CertRecord& record) override {
        return certificates_->LoadIdentity(record);
    }

 private:
    explicit NodeCoreImpl(runtime::LockFile lock) : lock_(std::move(lock)) {}

    absl::Status OpenStores(const config::v1::Config& config, const NodeCoreOptions& options,
                            runtime::Scheduler& scheduler);
    void Wire(const config::v1::Config& config, const NodeCoreOptions& options, runtime::Scheduler& scheduler);
    // Finishes what a kill cut off. What can't be finished is said in NodeInfo.error.
    void Recover(absl::Time deadline);
    absl::Status OpenAndReconcile(cert::Token& token);

    // In the order of their making; what comes later uses what comes before.
    const runtime::LockFile lock_;
    NodeCoreDependencies dependencies_;
    std::unique_ptr<CurrentNode> node_;
    std::unique_ptr<cert::CertStore> store_;
    std::vector<std::unique_ptr<cert::Token>> tokens_;
    // Of the keys of all tokens, for TLS.
    std::vector<hsm::EngineRegistration> engine_registrations_;
    std::unique_ptr<cert::CertHandler> certificates_;
    std::unique_ptr<provisioning::PasswordGate> password_gate_;
    std::unique_ptr<provisioning::TokenOwnership> ownership_;
    std::unique_ptr<provisioning::ProvisionManager> provisioning_;
    std::unique_ptr<NodeOperations> operations_;
};

absl::StatusOr<std::unique_ptr<NodeCore>> NodeCoreImpl::Create(const config::v1::Config& config,
                                                               const NodeCoreOptions& options,
                                                               runtime::Scheduler& scheduler,
                                                               NodeCoreDependencies dependencies) {
    RETURN_IF_ERROR(MakeWorkingDir(config.working_dir()));
    auto lock = runtime::LockFile::Acquire(absl::StrCat(config.working_dir(), "/lock"));
    if (!lock.ok()) {
        return status::Annotate(lock.status(), absl::StrCat("workingDir '", config.working_dir(), "'"));
    }
    std::unique_ptr<NodeCoreImpl> core(new NodeCoreImpl(*std::move(lock)));
    core->dependencies_ = std::move(dependencies);
    RETURN_IF_ERROR(core->OpenStores(config, options, scheduler));
    core->Wire(config, options, scheduler);
    core->Recover(scheduler.Now() + config::ToDuration(config.timeouts().local()));
    return core;
}

absl::Status NodeCoreImpl::OpenStores(const config::v1::Config& config, const NodeCoreOptions& options,
                                      runtime::Scheduler& scheduler) {
    ASSIGN_OR_RETURN(node_, CurrentNode::Create(config.node_info(), options.main_node));
    ASSIGN_OR_RETURN(store_, cert::CertStore::Open(absl::StrCat(config.working_dir(), "/provhub.db")));
    const std::string token_dir = absl::StrCat(config.working_dir(), "/tokens");
    ASSIGN_OR_RETURN(tokens_, cert::FindTokens(config, [&](const hsm::TokenSelector& selector) {
                         return dependencies_.open_token(selector, token_dir);
                     }));
    for (const auto& token : tokens_) {
        ASSIGN_OR_RETURN(auto registration, hsm::RegisterWithEngine(*token->hsm));
        engine_registrations_.push_back(std::move(registration));
    }
    ASSIGN_OR_RETURN(certificates_, cert::CertHandler::Create(config, node_->id(), tokens_, *store_, scheduler));
    return absl::OkStatus();
}

void NodeCoreImpl::Wire(const config::v1::Config& config, const NodeCoreOptions& options,
                        runtime::Scheduler& scheduler) {
    password_gate_ =
        std::make_unique<provisioning::PasswordGate>(config.working_dir(), scheduler, dependencies_.password_cost);
    ownership_ = std::make_unique<provisioning::TokenOwnership>(config.working_dir(), tokens_, *store_);
    const std::string system_id_path = config.identifier().params().system_id_path();
    provisioning_ = std::make_unique<provisioning::ProvisionManager>(provisioning::ProvisionManager::Parts{
        .node = *node_,
        .certificates = *certificates_,
        .password_gate = *password_gate_,
        .ownership = *ownership_,
        .hooks = *dependencies_.hooks,
        .clock = scheduler,
        .common_name = [system_id_path, node_id = node_->id()] { return SelfSignedName(system_id_path, node_id); }});
    operations_ =
        std::make_unique<NodeOperations>(NodeOperations::Parts{.node = *node_,
                                                               .certificates = *certificates_,
                                                               .password_gate = *password_gate_,
                                                               .provisioning = *provisioning_,
                                                               .scheduler = scheduler,
                                                               .provisioning_mode = options.provisioning_mode,
                                                               .limit = config::ToDuration(config.timeouts().local())});
}

void NodeCoreImpl::Recover(absl::Time deadline) {
    if (const absl::Status status = provisioning_->Resume(deadline); !status.ok()) {
        const absl::Status fault = status::Annotate(status, "a deprovisioning that was cut off can't be finished");
        kLog.Error(fault.message());
        node_->SetError(fault);
        return;
    }
    const bool has_identity = node_->state() != NodeState::kUnprovisioned || node_->phase() == Phase::kStarted;
    std::vector<std::string> faults;
    for (const auto& token : tokens_) {
        const absl::Status status = OpenAndReconcile(*token);
        if (status.ok()) {
            continue;
        }
        if (has_identity) {
            kLog.Error(status.message());
            faults.emplace_back(status.message());
        } else {
            kLog.Information(status.message());
        }
    }
    // A state file that can't be understood is the first thing to know of.
    if (!faults.empty() && node_->state() != NodeState::kError) {
        node_->SetError(absl::FailedPreconditionError(absl::StrJoin(faults, "; ")));
    }
    if (node_->phase() == Phase::kStarting) {
        kLog.Notice("a StartProvisioning was cut off: call it again");
    }
}

absl::Status NodeCoreImpl::OpenAndReconcile(cert::Token& token) {
    RETURN_IF_ERROR(cert::OpenToken(token));
    return certificates_->ReconcileToken(token);
}

}  // namespace

absl::StatusOr<std::unique_ptr<NodeCore>> NodeCore::Create(const config::v1::Config& config,
                                                           const NodeCoreOptions& options,
                                                           runtime::Scheduler& scheduler,
                                                           NodeCoreDependencies dependencies) {
    return NodeCoreImpl::Create(config, options, scheduler, std::move(dependencies));
}

}  // namespace provhub::node
