// Propagation of absl::Status.
#ifndef PROVHUB_COMMON_STATUS_MACROS_H_
#define PROVHUB_COMMON_STATUS_MACROS_H_

#include <utility>

#define PROVHUB_STATUS_CONCAT_INNER(a, b) a##b
#define PROVHUB_STATUS_CONCAT(a, b) PROVHUB_STATUS_CONCAT_INNER(a, b)

// Returns the status of `expression` from the enclosing function unless it is OK.
#define RETURN_IF_ERROR(expression)                                     \
    do {                                                                \
        if (auto provhub_status = (expression); !provhub_status.ok()) { \
            return provhub_status;                                      \
        }                                                               \
    } while (false)

#define PROVHUB_ASSIGN_OR_RETURN(result, target, expression) \
    auto result = (expression);                              \
    if (!result.ok()) {                                      \
        return std::move(result).status();                   \
    }                                                        \
    target = *std::move(result)  // NOLINT(bugprone-macro-parentheses): it may be a declaration

// Assigns the value of the absl::StatusOr `expression` to `target` (a variable or a declaration), or returns its
// status.
#define ASSIGN_OR_RETURN(target, expression) \
    PROVHUB_ASSIGN_OR_RETURN(PROVHUB_STATUS_CONCAT(provhub_result_, __LINE__), target, expression)

#endif  // PROVHUB_COMMON_STATUS_MACROS_H_
