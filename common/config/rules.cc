#include "common/config/rules.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/config/identity_rules.h"
#include "common/crypto/fingerprint.h"

namespace provhub::config {
namespace {

constexpr std::size_t kMaxTypeLength = 32;
// CK_TOKEN_INFO, PKCS #11 v2.40 §3.2.
constexpr std::size_t kMaxTokenLabel = 32;
// RFC 1035 §2.3.4.
constexpr std::size_t kMaxHostName = 253;

void Default(std::string& value, absl::string_view preset) {
    if (value.empty()) {
        value = std::string(preset);
    }
}

bool ConsistsOf(absl::string_view text, absl::string_view others) {
    return std::ranges::all_of(text, [&](char c) { return absl::ascii_isalnum(c) || absl::StrContains(others, c); });
}

struct Address {
    std::string host;
    std::uint32_t port = 0;
};

// HOST:PORT, [IPv6]:PORT or :PORT.
bool ParseAddress(absl::string_view text, Address& address) {
    constexpr std::uint32_t kMaxPort = 65535;
    const std::size_t colon = text.rfind(':');
    if (colon == absl::string_view::npos) {
        return false;
    }
    absl::string_view host = text.substr(0, colon);
    const absl::string_view port = text.substr(colon + 1);
    const bool digits = !port.empty() && std::ranges::all_of(port, [](char c) { return absl::ascii_isdigit(c); });
    if (!digits || !absl::SimpleAtoi(port, &address.port) || address.port > kMaxPort) {
        return false;
    }
    if (absl::ConsumePrefix(&host, "[")) {
        const bool closed = absl::ConsumeSuffix(&host, "]");
        address.host = std::string(host);
        return closed && !host.empty() && ConsistsOf(host, ":.%");
    }
    address.host = std::string(host);
    return host.size() <= kMaxHostName && ConsistsOf(host, "-._");
}

bool IsEveryInterface(absl::string_view host) {
    return host.empty() || host == "0.0.0.0" || host == "::";
}

class Rules {
 public:
    Rules(const v1::Config& config, NodeKind kind, Faults& faults) : config_(config), kind_(kind), faults_(faults) {}

    void Check() {
        CertStorage();
        ListenAddresses();
        MainNodeAddress("mainIamPublicServerUrl", config_.main_iam_public_server_url());
        MainNodeAddress("mainIamProtectedServerUrl", config_.main_iam_protected_server_url());
        Positive("nodeReconnectInterval", config_.node_reconnect_interval());
        NodeInfo();
        Hook("startProvisioningCmdArgs", config_.start_provisioning_cmd_args());
        Hook("diskEncryptionCmdArgs", config_.disk_encryption_cmd_args());
        Hook("finishProvisioningCmdArgs", config_.finish_provisioning_cmd_args());
        Hook("deprovisionCmdArgs", config_.deprovision_cmd_args());
        Identifier();
        CertModules();
        OneOf("provisioningTransport", config_.provisioning_transport(), {"tls", "plaintext"});
        ServerFingerprint();
        Positive("timeouts.local", config_.timeouts().local());
        Positive("timeouts.forward", config_.timeouts().forward());
        Positive("timeouts.forwardNodeState", config_.timeouts().forward_node_state());
        CheckAuthorization(config_.authorization(), faults_);
        CheckNodeIdentity(config_.node_identity(), faults_);
        MainServerName();
    }

 private:
    void Fault(absl::string_view path, absl::string_view what) {
        faults_.push_back({std::string(path), absl::StrCat(path, ": ", what)});
    }

    void Expected(absl::string_view path, absl::string_view what, absl::string_view got) {
        Fault(path, got.empty() ? absl::StrCat("expected ", what, ", got nothing")
                                : absl::StrCat("expected ", what, ", got ", Quoted(got)));
    }

    void OneOf(absl::string_view path, absl::string_view value, const std::vector<absl::string_view>& allowed) {
        if (std::ranges::find(allowed, value) == allowed.end()) {
            Expected(path, absl::StrCat("\"", absl::StrJoin(allowed, "\" or \""), "\""), value);
        }
    }

    void NotEmpty(absl::string_view path, absl::string_view value, absl::string_view what) {
        if (value.empty()) {
            Expected(path, what, value);
        }
    }

    void Positive(absl::string_view path, const google::protobuf::Duration& duration) {
        if (ToDuration(duration) <= absl::ZeroDuration()) {
            Fault(path, R"(expected a duration over zero, such as "10s")");
        }
    }

    void CertStorage() {
        const auto names_it = [&](const v1::CertModule& module) {
            return !module.disabled() && module.id() == config_.cert_storage();
        };
        if (!config_.cert_storage().empty() && std::ranges::none_of(config_.cert_modules(), names_it)) {
            Expected("certStorage", "the id of one of certModules that is not disabled", config_.cert_storage());
        }
    }

    void ListenAddresses() {
        constexpr absl::string_view kWhat = R"("HOST:PORT", or ":PORT" for every interface)";
        Address open;
        Address guarded;
        const bool open_ok = ParseAddress(config_.iam_public_server_url(), open);
        const bool guarded_ok = ParseAddress(config_.iam_protected_server_url(), guarded);
        if (!open_ok) {
            Expected("iamPublicServerUrl", kWhat, config_.iam_public_server_url());
        }
        if (!guarded_ok) {
            Expected("iamProtectedServerUrl", kWhat, config_.iam_protected_server_url());
        }
        const bool same_host =
            open.host == guarded.host || IsEveryInterface(open.host) || IsEveryInterface(guarded.host);
        if (open_ok && guarded_ok && open.port == guarded.port && open.port != 0 && same_host) {
            Expected("iamProtectedServerUrl", "another port than that of iamPublicServerUrl",
                     config_.iam_protected_server_url());
        }
    }

    void MainNodeAddress(absl::string_view path, const std::string& value) {
        Address address;
        if (value.empty() && kind_ == NodeKind::kMain) {
            return;
        }
        if (!ParseAddress(value, address) || address.host.empty() || address.port == 0) {
            Expected(path, R"(the main node's "HOST:PORT")", value);
        }
    }

    void ServerFingerprint() {
        const std::string& value = config_.server_fingerprint();
        if (!value.empty() && !crypto::ParseFingerprint(value).ok()) {
            Expected("serverFingerprint", "the SHA-256 of a certificate, 64 hexadecimal digits", value);
        }
    }

    void MainServerName() {
        const std::string& name = config_.main_server_name();
        if (name.size() > kMaxHostName || !ConsistsOf(name, "-._:")) {
            Expected("mainServerName", "a host name or an IP address", name);
        }
    }

    void NodeInfo() {
        for (const auto& [name, value] : config_.node_info().attrs()) {
            if (kind_ == NodeKind::kSecondary && absl::EqualsIgnoreCase(name, "MainNode")) {
                Fault(absl::StrCat("nodeInfo.attrs.", name), "only the main node has this attribute; remove it");
            }
        }
        for (int i = 0; i < config_.node_info().partitions_size(); ++i) {
            const std::string path = absl::StrCat("nodeInfo.partitions[", i, "]");
            NotEmpty(absl::StrCat(path, ".name"), config_.node_info().partitions(i).name(), "a name");
            NotEmpty(absl::StrCat(path, ".path"), config_.node_info().partitions(i).path(), "a directory");
        }
    }

    template <typename Arguments>
    void Hook(absl::string_view path, const Arguments& arguments) {
        if (!arguments.empty()) {
            NotEmpty(absl::StrCat(path, "[0]"), arguments.Get(0), "a program");
        }
    }

    void Identifier() {
        if (!config_.has_identifier()) {
            return;
        }
        OneOf("identifier.plugin", config_.identifier().plugin(), {"fileidentifier"});
        NotEmpty("identifier.params.systemIDPath", config_.identifier().params().system_id_path(), "a file");
    }

    void CertModules() {
        for (int i = 0; i < config_.cert_modules_size(); ++i) {
            const v1::CertModule& module = config_.cert_modules(i);
            if (module.disabled()) {
                continue;
            }
            const std::string path = absl::StrCat("certModules[", i, "]");
            CertType(path, module);
            CertificateRequest(path, module);
            Token(absl::StrCat(path, ".params"), module.params());
        }
    }

    void CertType(const std::string& path, const v1::CertModule& module) {
        if (module.id().empty() || module.id().size() > kMaxTypeLength || !ConsistsOf(module.id(), "_-")) {
            Expected(absl::StrCat(path, ".id"), absl::StrCat("1 to ", kMaxTypeLength, " letters, digits, '_' and '-'"),
                     module.id());
        }
        if (!types_.insert(module.id()).second) {
            Expected(absl::StrCat(path, ".id"), "another id than that of an earlier module", module.id());
        }
        OneOf(absl::StrCat(path, ".plugin"), module.plugin(), {"pkcs11module"});
        OneOf(absl::StrCat(path, ".algorithm"), module.algorithm(), {"ecc", "rsa"});
    }

    void CertificateRequest(const std::string& path, const v1::CertModule& module) {
        std::set<std::string> usages;
        for (int i = 0; i < module.extended_key_usage_size(); ++i) {
            const std::string item = absl::StrCat(path, ".extendedKeyUsage[", i, "]");
            OneOf(item, module.extended_key_usage(i), {"clientAuth", "serverAuth"});
            if (!usages.insert(module.extended_key_usage(i)).second) {
                Expected(item, "each usage once", module.extended_key_usage(i));
            }
        }
        for (int i = 0; i < module.alternative_names_size(); ++i) {
            const std::string& name = module.alternative_names(i);
            if (name.empty() || name.size() > kMaxHostName || !ConsistsOf(name, "-._*")) {
                Expected(absl::StrCat(path, ".alternativeNames[", i, "]"), "a DNS name", name);
            }
        }
    }

    void Token(const std::string& path, const v1::TokenParams& params) {
        NotEmpty(absl::StrCat(path, ".library"), params.library(), "the path of a PKCS #11 module");
        NotEmpty(absl::StrCat(path, ".userPinPath"), params.user_pin_path(), "the path of the user PIN's file");
        if (params.token_label().size() > kMaxTokenLabel) {
            Expected(absl::StrCat(path, ".tokenLabel"), absl::StrCat("at most ", kMaxTokenLabel, " bytes"),
                     params.token_label());
        }
        std::vector<absl::string_view> selectors;
        if (!params.token_label().empty()) {
            selectors.emplace_back("tokenLabel");
        }
        if (params.has_slot_id()) {
            selectors.emplace_back("slotID");
        }
        if (params.has_slot_index()) {
            selectors.emplace_back("slotIndex");
        }
        if (selectors.size() != 1) {
            Fault(path, absl::StrCat("expected one of tokenLabel, slotID and slotIndex, got ",
                                     selectors.empty() ? "none" : absl::StrJoin(selectors, " and ")));
            return;
        }
        const std::tuple token(params.library(), params.token_label(), params.has_slot_id(), params.slot_id(),
                               params.slot_index());
        const auto [first, is_new] = pin_paths_.emplace(token, params.user_pin_path());
        if (!is_new && first->second != params.user_pin_path()) {
            Expected(absl::StrCat(path, ".userPinPath"),
                     absl::StrCat(Quoted(first->second), " as in the earlier module of this token"),
                     params.user_pin_path());
        }
    }

    const v1::Config& config_;
    const NodeKind kind_;
    Faults& faults_;
    std::set<std::string> types_;
    // By token: library, label, whether by slot ID, slot ID, slot index.
    std::map<std::tuple<std::string, std::string, bool, std::uint64_t, std::uint64_t>, std::string> pin_paths_;
};

}  // namespace

void FillDefaults(v1::Config& config) {
    Default(*config.mutable_iam_public_server_url(), ":8090");
    Default(*config.mutable_iam_protected_server_url(), ":8089");
    Default(*config.mutable_working_dir(), "/var/lib/provhub");
    Default(*config.mutable_provisioning_transport(), "tls");

    constexpr std::uint64_t kAuditLogMaxBytes = 10 * 1024 * 1024;
    if (config.audit_log_max_bytes() == 0) {
        config.set_audit_log_max_bytes(kAuditLogMaxBytes);
    }
    constexpr std::uint32_t kAuditLogMaxFiles = 10;
    if (config.audit_log_max_files() == 0) {
        config.set_audit_log_max_files(kAuditLogMaxFiles);
    }
    auto& identity = *config.mutable_node_identity();
    Default(*identity.mutable_uri_prefix(), "urn:provhub:node:");
    if (!identity.has_in_csr()) {
        identity.set_in_csr(true);
    }

    auto& node = *config.mutable_node_info();
    Default(*node.mutable_node_id_path(), "/etc/machine-id");
    Default(*node.mutable_provisioning_state_path(), "/var/aos/.provisionstate");
    Default(*node.mutable_cpu_info_path(), "/proc/cpuinfo");
    Default(*node.mutable_mem_info_path(), "/proc/meminfo");

    for (auto& module : *config.mutable_cert_modules()) {
        module.set_max_items(std::max(module.max_items(), 1U));
    }

    constexpr std::int64_t kReconnectSeconds = 10;
    constexpr std::int64_t kLocalSeconds = 60;
    constexpr std::int64_t kForwardSeconds = 300;
    constexpr std::int64_t kForwardNodeStateSeconds = 60;
    constexpr std::int64_t kNodeWaitSeconds = 10;
    if (!config.has_node_reconnect_interval()) {
        config.mutable_node_reconnect_interval()->set_seconds(kReconnectSeconds);
    }
    auto& timeouts = *config.mutable_timeouts();
    if (!timeouts.has_local()) {
        timeouts.mutable_local()->set_seconds(kLocalSeconds);
    }
    if (!timeouts.has_forward()) {
        timeouts.mutable_forward()->set_seconds(kForwardSeconds);
    }
    if (!timeouts.has_forward_node_state()) {
        timeouts.mutable_forward_node_state()->set_seconds(kForwardNodeStateSeconds);
    }
    if (!timeouts.has_node_wait()) {
        timeouts.mutable_node_wait()->set_seconds(kNodeWaitSeconds);
    }
}

void CheckRules(const v1::Config& config, NodeKind kind, Faults& faults) {
    Rules(config, kind, faults).Check();
}

}  // namespace provhub::config
