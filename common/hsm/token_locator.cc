#include "common/hsm/token_locator.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/hsm/pkcs11_error.h"
#include "common/status/macros.h"

namespace provhub::hsm {
namespace {

constexpr std::size_t kLabelSize = sizeof(CK_TOKEN_INFO::label);
constexpr absl::string_view kDefaultLabel = "provhub";

}  // namespace

absl::Status CheckSelector(const TokenSelector& selector) {
    const int given = (selector.label.empty() ? 0 : 1) + (selector.slot_id ? 1 : 0) + (selector.slot_index ? 1 : 0);
    if (given != 1) {
        return absl::InvalidArgumentError("a token is selected by exactly one of its label, slot ID and slot index");
    }
    if (selector.label.size() > kLabelSize) {
        return absl::InvalidArgumentError(
            absl::StrCat("the token label '", selector.label, "' is longer than ", kLabelSize, " bytes"));
    }
    if (!selector.label.empty() && selector.label.back() == ' ') {
        return absl::InvalidArgumentError(absl::StrCat("the token label '", selector.label, "' ends with a space"));
    }
    return absl::OkStatus();
}

std::string TokenLocator::name() const {
    if (by_label()) {
        return selector_.label;
    }
    return selector_.slot_id ? absl::StrCat("slot ID ", *selector_.slot_id)
                             : absl::StrCat("slot ", *selector_.slot_index);
}

std::string TokenLocator::title() const {
    return by_label() ? absl::StrCat("token '", name(), "'") : name();
}

std::string TokenLocator::label(const TokenInSlot& token) const {
    if (by_label()) {
        return selector_.label;
    }
    return token.initialised() ? token.label() : std::string(kDefaultLabel);
}

absl::StatusOr<std::optional<TokenInSlot>> TokenLocator::Find() const {
    if (by_label()) {
        return FindLabel();
    }
    ASSIGN_OR_RETURN(const std::vector<CK_SLOT_ID> slots, module_->Slots());
    TokenInSlot token{};
    if (selector_.slot_index) {
        if (*selector_.slot_index >= slots.size()) {
            return absl::NotFoundError(absl::StrCat(title(), ": ", module_->path(), " has ", slots.size(), " slots"));
        }
        token.slot = slots[*selector_.slot_index];
    } else {
        if (std::ranges::find(slots, *selector_.slot_id) == slots.end()) {
            return absl::NotFoundError(absl::StrCat(title(), ": ", module_->path(), " has no such slot"));
        }
        token.slot = *selector_.slot_id;
    }
    RETURN_IF_ERROR(
        Pkcs11Status(title(), "C_GetTokenInfo", module_->functions().C_GetTokenInfo(token.slot, &token.info)));
    return token;
}

absl::StatusOr<std::optional<TokenInSlot>> TokenLocator::FindLabel() const {
    ASSIGN_OR_RETURN(const std::vector<TokenInSlot> tokens, module_->Tokens());
    std::optional<TokenInSlot> found;
    for (const TokenInSlot& token : tokens) {
        if (!token.initialised() || token.label() != selector_.label || IsHalfMade(token)) {
            continue;
        }
        // An initialisation that was cut off may have left a second one, without a PIN.
        if (!found || (token.user_pin_set() && !found->user_pin_set())) {
            found = token;
        }
    }
    return found;
}

bool TokenLocator::IsHalfMade(const TokenInSlot& token) const {
    return store_ && !token.user_pin_set() && store_->IsHalfMade(token.serial());
}

void TokenLocator::RemoveHalfMade() const {
    const auto tokens = module_->Tokens();
    if (!store_ || !tokens.ok()) {
        return;
    }
    for (const TokenInSlot& token : *tokens) {
        if (token.initialised() && token.label() == selector_.label && IsHalfMade(token)) {
            store_->RemoveHalfMade(token.serial());
        }
    }
}

absl::StatusOr<TokenInSlot> TokenLocator::FindFree() const {
    ASSIGN_OR_RETURN(const std::vector<TokenInSlot> tokens, module_->Tokens());
    const auto free = std::ranges::find_if(tokens, [](const TokenInSlot& token) { return !token.initialised(); });
    if (free == tokens.end()) {
        return absl::NotFoundError(absl::StrCat(title(), ": ", module_->path(),
                                                " has no token with this label, and no free slot to make one in"));
    }
    return *free;
}

}  // namespace provhub::hsm
