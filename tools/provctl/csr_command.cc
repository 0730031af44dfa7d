#include "tools/provctl/csr_command.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "common/crypto/csr.h"
#include "common/crypto/node_uri.h"
#include "common/crypto/private_key.h"
#include "common/status/macros.h"
#include "tools/provctl/user_key.h"

namespace provhub::provctl {
namespace {

absl::StatusOr<std::unique_ptr<UserKey>> KeyOf(const CsrCommand& command, const std::string& key, Console& console) {
    if (command.new_key.empty()) {
        return UserKey::Open(key);
    }
    ASSIGN_OR_RETURN(auto made, UserKey::Generate(command.new_key, command.algorithm));
    console.Say(absl::StrCat("made the key ", made->name()));
    return made;
}

}  // namespace

absl::StatusOr<std::string> MakeCsr(const CsrCommand& command, const std::string& key, Console& console) {
    crypto::CertificateRequest request{.common_name = command.subject,
                                       .extended_key_usage = {crypto::ExtendedKeyUsage::kClientAuth},
                                       .alternative_names = command.alternative_names};
    if (command.operator_role) {
        request.alternative_names.emplace_back(crypto::kOperatorUri);
    }
    RETURN_IF_ERROR(crypto::ValidateCommonName(request.common_name));
    // A request that can't be made is found out before there is a key for it.
    ASSIGN_OR_RETURN(const crypto::EvpPkeyPtr trial, crypto::GenerateKey(crypto::KeyAlgorithm::kEcP384));
    RETURN_IF_ERROR(crypto::CreateCsr(trial.get(), request).status());
    ASSIGN_OR_RETURN(const std::unique_ptr<UserKey> user_key, KeyOf(command, key, console));
    ASSIGN_OR_RETURN(const crypto::EvpPkeyPtr private_key, user_key->Load());
    return crypto::CreateCsr(private_key.get(), request);
}

}  // namespace provhub::provctl
