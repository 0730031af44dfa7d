// A password or PIN in memory.
#ifndef PROVHUB_COMMON_CRYPTO_SECRET_H_
#define PROVHUB_COMMON_CRYPTO_SECRET_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace provhub::crypto {

// Zeroised when destroyed or moved from; can't be printed, logged, copied by accident or compared in variable time.
class Secret {
 public:
    Secret() = default;
    // Copies `value`; the caller's own copy stays its own to wipe.
    explicit Secret(absl::string_view value);
    // Takes the bytes of `value` and zeroises it, the small-string buffer included.
    static Secret TakeFrom(std::string& value);

    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret();

    Secret Clone() const { return Secret(Reveal()); }

    // The bytes themselves, valid as long as this object: only for the call that needs them.
    absl::string_view Reveal() const { return {data_.get(), size_}; }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }

    // In time that depends on the length alone.
    bool Equals(const Secret& other) const;

 private:
    void Wipe();

    std::unique_ptr<char[]> data_;
    std::size_t size_ = 0;
};

}  // namespace provhub::crypto

#endif  // PROVHUB_COMMON_CRYPTO_SECRET_H_
