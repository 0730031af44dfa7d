// Finds the token that the configuration means.
#ifndef PROVHUB_COMMON_HSM_TOKEN_LOCATOR_H_
#define PROVHUB_COMMON_HSM_TOKEN_LOCATOR_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/hsm/hsm.h"
#include "common/hsm/pkcs11_module.h"
#include "common/hsm/softhsm_store.h"

namespace provhub::hsm {

// InvalidArgument unless exactly one of label, slot ID and slot index is given, and the label fits into a token.
absl::Status CheckSelector(const TokenSelector& selector);

// Asks the module anew each time: slots are numbered anew after C_InitToken, and in every process.
class TokenLocator {
 public:
    // `selector` passed CheckSelector; `store` where the module is SoftHSM.
    TokenLocator(std::shared_ptr<const Pkcs11Module> module, TokenSelector selector, std::optional<SoftHsmStore> store)
        : module_(std::move(module)), selector_(std::move(selector)), store_(std::move(store)) {}

    const Pkcs11Module& module() const { return *module_; }

    // "aoscore", "slot ID 4" or "slot 0".
    std::string name() const;
    // "token 'aoscore'", or name() where that isn't the token's.
    std::string title() const;
    // The one to make a token with.
    std::string label(const TokenInSlot& token) const;
    bool by_label() const { return !selector_.label.empty(); }

    // The token, initialised or not where a slot is meant; none where no initialised token has the label.
    // NotFound: no such slot.
    absl::StatusOr<std::optional<TokenInSlot>> Find() const;

    // Removes what is left of initialisations of a token with the label that were cut off and can't be used any more.
    void RemoveHalfMade() const;

    // A token that isn't initialised yet. NotFound: none.
    absl::StatusOr<TokenInSlot> FindFree() const;

 private:
    absl::StatusOr<std::optional<TokenInSlot>> FindLabel() const;
    bool IsHalfMade(const TokenInSlot& token) const;

    const std::shared_ptr<const Pkcs11Module> module_;
    const TokenSelector selector_;
    const std::optional<SoftHsmStore> store_;
};

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_TOKEN_LOCATOR_H_
