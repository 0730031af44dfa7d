#include "mainnode/main_node_app.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/audit/configured_log.h"
#include "common/config/config.h"
#include "common/runtime/log.h"
#include "common/service/listener_credentials.h"
#include "common/status/macros.h"

namespace provhub {
namespace {

constexpr runtime::Log kLog("main");

// Operations on different tokens, platform hooks and the registry's file side by side.
constexpr int kBlockingThreads = 8;

MainNodeOptions OptionsOf(const config::v1::Config& config, bool provisioning_mode) {
    const auto& timeouts = config.timeouts();
    MainNodeOptions options;
    options.registry_path = absl::StrCat(config.working_dir(), "/nodes.db");
    options.join_tokens_path = absl::StrCat(config.working_dir(), "/join_tokens.db");
    options.sessions.require_join_token = config.require_join_token();
    options.sessions.plaintext = provisioning_mode && config::ProvisionsInPlaintext(config);
    options.public_address = config.iam_public_server_url();
    options.protected_address = config.iam_protected_server_url();
    options.provisioning_mode = provisioning_mode;
    options.limits.local_limit = config::ToDuration(timeouts.local());
    options.limits.forward_limit = config::ToDuration(timeouts.forward());
    options.limits.forward_node_state_limit = config::ToDuration(timeouts.forward_node_state());
    options.pending.node_wait = config::ToDuration(timeouts.node_wait());
    return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<runtime::DaemonApp>> MainNodeApp::Create(const config::v1::Config& config,
                                                                        bool provisioning_mode) {
    auto app = absl::WrapUnique(new MainNodeApp());
    app->scheduler_ = runtime::CreateScheduler(kBlockingThreads);
    ASSIGN_OR_RETURN(app->audit_log_, audit::OpenConfiguredLog(config, *app->scheduler_));
    ASSIGN_OR_RETURN(
        app->core_,
        node::NodeCore::Create(config, {.main_node = true, .provisioning_mode = provisioning_mode}, *app->scheduler_));
    ASSIGN_OR_RETURN(app->tls_, service::NodeTls::Create(config, provisioning_mode, *app->core_, *app->scheduler_));
    app->refusals_.emplace(app->audit_log_.get(), *app->scheduler_, app->core_->current_node().id());
    app->tls_->OnRefused(app->refusals_->Listener());
    ASSIGN_OR_RETURN(const auto credentials, service::ChooseListenerCredentials(config, provisioning_mode, *app->tls_));
    RETURN_IF_ERROR(service::PublishFingerprint(config, credentials));
    app->identity_ = std::make_shared<node::FileIdentity>(config);
    app->subjects_watch_ = SubjectsWatch::Start(app->identity_, *app->scheduler_);
    MainNodeOptions node_options = OptionsOf(config, provisioning_mode);
    node_options.audit_log = app->audit_log_.get();
    node_options.sessions.on_refused = app->refusals_->Listener();
    ASSIGN_OR_RETURN(app->main_node_,
                     MainNode::Start(node_options, credentials, *app->core_, *app->identity_, *app->scheduler_));
    return app;
}

void MainNodeApp::Drain(absl::Duration limit) {
    main_node_->Drain(limit);
}

void MainNodeApp::Reload() {
    tls_->Reload();
    kLog.Notice("the rest of the configuration is read at start only; restart to apply a changed one");
}

}  // namespace provhub
