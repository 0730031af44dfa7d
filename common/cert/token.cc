#include "common/cert/token.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "common/hsm/pin_file.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::cert {
namespace {

hsm::TokenSelector ToSelector(const config::v1::TokenParams& params) {
    hsm::TokenSelector selector;
    selector.library = params.library();
    selector.label = params.token_label();
    if (params.has_slot_id()) {
        selector.slot_id = params.slot_id();
    }
    if (params.has_slot_index()) {
        selector.slot_index = params.slot_index();
    }
    return selector;
}

absl::StatusOr<std::unique_ptr<Token>> MakeToken(const config::v1::TokenParams& params, const HsmFactory& factory) {
    auto token = std::make_unique<Token>();
    ASSIGN_OR_RETURN(token->hsm, factory(ToSelector(params)));
    token->name = token->hsm->name();
    token->user_pin_path = params.user_pin_path();
    if (params.has_uid()) {
        token->uid = params.uid();
    }
    if (params.has_gid()) {
        token->gid = params.gid();
    }
    return token;
}

}  // namespace

absl::StatusOr<std::vector<std::unique_ptr<Token>>> FindTokens(const config::v1::Config& config,
                                                               const HsmFactory& factory) {
    std::vector<std::unique_ptr<Token>> tokens;
    std::map<hsm::TokenSelector, Token*> by_selector;
    for (const auto& module : config.cert_modules()) {
        if (module.disabled()) {
            continue;
        }
        const std::string context = absl::StrCat("certificate type '", module.id(), "'");
        Token*& token = by_selector[ToSelector(module.params())];
        if (token == nullptr) {
            auto made = MakeToken(module.params(), factory);
            if (!made.ok()) {
                return status::Annotate(made.status(), context);
            }
            if (std::ranges::any_of(tokens, [&](const auto& other) { return other->name == (*made)->name; })) {
                return absl::InvalidArgumentError(absl::StrCat(context, ": token '", (*made)->name,
                                                               "' has the name of a token of another module: give one "
                                                               "of them another label"));
            }
            token = made->get();
            tokens.push_back(*std::move(made));
        }
        if (token->user_pin_path != module.params().user_pin_path()) {
            return absl::InvalidArgumentError(
                absl::StrCat(context, ": userPinPath is '", module.params().user_pin_path(), "', but type '",
                             token->types.front(), "' on the same token has '", token->user_pin_path, "'"));
        }
        token->types.push_back(module.id());
    }
    return tokens;
}

absl::Status OpenToken(Token& token) {
    ASSIGN_OR_RETURN(const hsm::TokenState state, token.hsm->State());
    if (!state.initialised) {
        return absl::FailedPreconditionError(absl::StrCat("token '", token.name, "' is not initialised"));
    }
    auto pin = hsm::ReadPinFile(token.user_pin_path);
    if (!pin.ok()) {
        return status::Annotate(pin.status(), absl::StrCat("token '", token.name, "'"));
    }
    return token.hsm->Open(*pin);
}

}  // namespace provhub::cert
