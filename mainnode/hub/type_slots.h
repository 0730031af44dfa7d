// Which calls are open on a stream whose peer matches answers by their type.
#ifndef PROVHUB_MAINNODE_HUB_TYPE_SLOTS_H_
#define PROVHUB_MAINNODE_HUB_TYPE_SLOTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "common/node/node_endpoint.h"

namespace provhub::hub {

// One call of each type is open at a time, the others wait in the order of their numbers. After a call that was given
// up its type stays blocked until the late answer came. Not thread-safe.
class TypeSlots {
 public:
    using Type = node::Reply::IAMOutgoingMessageCase;

    // True: the call is open. False: it waits, and will be returned by OnLeft or OnLateReply when its turn has come.
    bool Enter(Type type, std::uint64_t id);

    // The call is over, or does not wait any more. `reply_owed`: it was sent and not answered. Returns the call that is
    // open from now on in its place.
    std::optional<std::uint64_t> OnLeft(Type type, std::uint64_t id, bool reply_owed);

    // Whether the next answer of this type is a late one, which nobody waits for.
    bool IsReplyOwed(Type type) const;
    // It came. Returns the call that is open from now on.
    std::optional<std::uint64_t> OnLateReply(Type type);

    std::optional<std::uint64_t> Open(Type type) const;

    void Clear() { slots_.clear(); }

 private:
    struct Slot {
        std::optional<std::uint64_t> open;
        bool reply_owed = false;
        std::set<std::uint64_t> waiting;
    };

    static std::optional<std::uint64_t> OpenNext(Slot& slot);

    std::map<Type, Slot> slots_;
};

}  // namespace provhub::hub

#endif  // PROVHUB_MAINNODE_HUB_TYPE_SLOTS_H_
