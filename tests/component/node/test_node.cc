#include "tests/component/node/test_node.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/cert/proof_of_possession.h"
#include "common/hsm/pkcs11_hsm.h"
#include "common/provisioning/platform_hooks.h"
#include "common/status/macros.h"

namespace provhub::test {
namespace {

config::v1::CertModule Module(const std::string& type, const std::string& algorithm, const std::string& token,
                              unsigned int max_items) {
    config::v1::CertModule module;
    module.set_id(type);
    module.set_plugin("pkcs11module");
    module.set_algorithm(algorithm);
    module.set_max_items(max_items);
    module.mutable_params()->set_token_label(token);
    module.mutable_params()->set_library("libfake.so");
    module.mutable_params()->set_module_path_in_url(true);
    return module;
}

// A FakeHsm for one process: closed when it opens, as the token of a process that has just started.
class ProcessHsm final {
 public:
    static std::unique_ptr<hsm::Hsm> Open(hsm::Hsm& device, const TestNode& node) {
        EXPECT_TRUE(device.Close().ok());
        return std::make_unique<ObservedHsm>(
            device, [&node](const std::string& method) { return node.before(method); },
            [&node](const std::string& method) { return node.after(method); });
    }
};

absl::Status StatusOf(const node::Outcome& outcome) {
    RETURN_IF_ERROR(outcome.status());
    return node::ReplyStatus(*outcome);
}

}  // namespace

node::Outcome RunningCall::Await() {
    if (!state_->answered.WaitForNotificationWithTimeout(absl::Seconds(50))) {
        ADD_FAILURE() << "no answer";
        return absl::UnknownError("no answer");
    }
    return state_->outcome;
}

TestNode::TestNode(std::shared_ptr<const TestSite> site) : site_(std::move(site)) {
    scheduler_.SetNow(absl::Now());
    config.set_working_dir(dir().File("work"));
    config.set_ca_cert(dir().Write("ca.pem", root().certificate().Pem()));
    config.mutable_node_info()->set_node_id_path(dir().Write("id", "node-1\n"));
    config.mutable_node_info()->set_provisioning_state_path(dir().File("state"));
    config.mutable_node_info()->set_cpu_info_path("/proc/cpuinfo");
    config.mutable_node_info()->set_mem_info_path("/proc/meminfo");
    config.mutable_timeouts()->mutable_local()->set_seconds(60);
    *config.add_cert_modules() = Module("online", "ecc", "cloud", 2);
    config.mutable_cert_modules(0)->add_extended_key_usage("clientAuth");
    *config.add_cert_modules() = Module("offline", "rsa", "cloud", 1);
    *config.add_cert_modules() = Module("iam", "ecc", "core", 2);
    *config.add_cert_modules() = Module("disk", "ecc", "core", 1);
    config.mutable_cert_modules(3)->set_self_signed(true);
    for (auto& module : *config.mutable_cert_modules()) {
        module.mutable_params()->set_user_pin_path(dir().File("pins/user"));
    }
}

void TestNode::UseModule(const std::string& library) {
    for (auto& module : *config.mutable_cert_modules()) {
        module.mutable_params()->set_library(library);
    }
    open_token = [this](const hsm::TokenSelector& selector,
                        const std::string& state_dir) -> absl::StatusOr<std::unique_ptr<hsm::Hsm>> {
        ASSIGN_OR_RETURN(auto device, hsm::CreatePkcs11Hsm(selector, state_dir));
        devices_.push_back(std::move(device));
        return std::make_unique<ObservedHsm>(
            *devices_.back(), [this](const std::string& method) { return before(method); },
            [this](const std::string& method) { return after(method); });
    };
}

void TestNode::Stop() {
    core_.reset();
    devices_.clear();
}

void TestNode::KeepTypes(const std::vector<std::string>& types) {
    auto& modules = *config.mutable_cert_modules();
    modules.erase(std::remove_if(modules.begin(), modules.end(),
                                 [&](const auto& module) { return std::ranges::count(types, module.id()) == 0; }),
                  modules.end());
}

absl::Status TestNode::Boot() {
    Stop();
    const auto open_fake = [this](const hsm::TokenSelector& selector,
                                  const std::string&) -> absl::StatusOr<std::unique_ptr<hsm::Hsm>> {
        auto& device = tokens_[selector.label];
        if (device == nullptr) {
            device = std::make_unique<FakeHsm>(selector.label);
        }
        return ProcessHsm::Open(*device, *this);
    };
    node::NodeCoreDependencies dependencies{
        .open_token = open_fake, .hooks = provisioning::CreatePlatformHooks(config), .password_cost = {.n = 16}};
    if (open_token) {
        dependencies.open_token = open_token;
    }
    ASSIGN_OR_RETURN(core_, node::NodeCore::Create(config, {.main_node = false, .provisioning_mode = provisioning_mode},
                                                   scheduler_, std::move(dependencies)));
    return absl::OkStatus();
}

RunningCall TestNode::Begin(node::Request request, node::CallContext context) {
    RunningCall call;
    core_->operations().Call(std::move(request), std::move(context), [state = call.state_](node::Outcome outcome) {
        state->outcome = std::move(outcome);
        state->answered.Notify();
    });
    return call;
}

absl::Status TestNode::Start(const std::string& password) {
    return StatusOf(Call(StartRequest(password)));
}

absl::Status TestNode::Finish(const std::string& password) {
    return StatusOf(Call(FinishRequest(password)));
}

absl::Status TestNode::Deprovision(const std::string& password) {
    return StatusOf(Call(DeprovisionRequest(password)));
}

absl::Status TestNode::Pause() {
    node::Request request;
    request.mutable_pause_node_request();
    return StatusOf(Call(std::move(request)));
}

absl::Status TestNode::Resume() {
    node::Request request;
    request.mutable_resume_node_request();
    return StatusOf(Call(std::move(request)));
}

absl::StatusOr<std::string> TestNode::CreateKey(const std::string& type, const std::string& password,
                                                const std::string& subject) {
    ASSIGN_OR_RETURN(const node::Reply reply, Call(CreateKeyRequest(type, password, subject)));
    EXPECT_EQ(reply.create_key_response().node_id(), "node-1");
    EXPECT_EQ(reply.create_key_response().type(), type);
    RETURN_IF_ERROR(node::ReplyStatus(reply));
    return reply.create_key_response().csr();
}

absl::StatusOr<iamanager::v6::CertInfo> TestNode::ApplyCert(const std::string& type, const std::string& pem) {
    ASSIGN_OR_RETURN(const node::Reply reply, Call(ApplyCertRequest(type, pem)));
    EXPECT_EQ(reply.apply_cert_response().node_id(), "node-1");
    RETURN_IF_ERROR(node::ReplyStatus(reply));
    return reply.apply_cert_response().cert_info();
}

absl::StatusOr<std::vector<std::string>> TestNode::Types() {
    node::Request request;
    request.mutable_get_cert_types_request();
    ASSIGN_OR_RETURN(const node::Reply reply, Call(std::move(request)));
    const auto& types = reply.cert_types_response().types();
    return std::vector<std::string>(types.begin(), types.end());
}

absl::Status TestNode::Enrol(const std::string& type) {
    ASSIGN_OR_RETURN(const std::string csr, CreateKey(type));
    return ApplyCert(type, Chain(csr)).status();
}

absl::Status TestNode::Provision() {
    RETURN_IF_ERROR(Start());
    ASSIGN_OR_RETURN(const std::vector<std::string> types, Types());
    for (const std::string& type : types) {
        RETURN_IF_ERROR(Enrol(type));
    }
    return Finish();
}

std::string TestNode::Chain(const std::string& csr) const {
    return absl::StrCat(ca().IssueFor(csr).Pem(), ca().certificate().Pem());
}

std::vector<cert::CertRecord> TestNode::Certificates() {
    const auto records = core_->certificates().List();
    EXPECT_TRUE(records.ok()) << records.status();
    return records.value_or(std::vector<cert::CertRecord>{});
}

std::vector<hsm::StoredObject> TestNode::Objects(const std::string& label) {
    const auto device = std::ranges::find(devices_, label, [](const auto& candidate) { return candidate->name(); });
    const auto objects = device == devices_.end() ? token(label).List() : (*device)->List();
    EXPECT_TRUE(objects.ok()) << objects.status();
    return objects.value_or(std::vector<hsm::StoredObject>{});
}

void TestNode::ExpectEveryIdentityWorks() {
    for (const cert::CertRecord& record : Certificates()) {
        for (const auto& module : config.cert_modules()) {
            if (module.id() != record.type) {
                continue;
            }
            FakeHsm& device = token(module.params().token_label());
            const auto der = device.ReadCertificate(record.object_id);
            ASSERT_TRUE(der.ok()) << record.type << ": " << der.status();
            const auto certificate = crypto::Certificate::FromDer(*der);
            const auto key = device.LoadKey(record.object_id);
            ASSERT_TRUE(certificate.ok() && key.ok()) << record.type;
            EXPECT_EQ(certificate->SerialHex(), record.serial);
            EXPECT_TRUE(cert::ProvePossession(key->get(), *certificate).ok()) << record.type;
        }
    }
}

node::Request StartRequest(const std::string& password) {
    node::Request request;
    request.mutable_start_provisioning_request()->set_password(password);
    return request;
}

node::Request FinishRequest(const std::string& password) {
    node::Request request;
    request.mutable_finish_provisioning_request()->set_password(password);
    return request;
}

node::Request DeprovisionRequest(const std::string& password) {
    node::Request request;
    request.mutable_deprovision_request()->set_password(password);
    return request;
}

node::Request CreateKeyRequest(const std::string& type, const std::string& password, const std::string& subject) {
    node::Request request;
    request.mutable_create_key_request()->set_type(type);
    request.mutable_create_key_request()->set_password(password);
    request.mutable_create_key_request()->set_subject(subject);
    return request;
}

node::Request ApplyCertRequest(const std::string& type, const std::string& pem) {
    node::Request request;
    request.mutable_apply_cert_request()->set_type(type);
    request.mutable_apply_cert_request()->set_cert(pem);
    return request;
}

}  // namespace provhub::test
