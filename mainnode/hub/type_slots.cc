#include "mainnode/hub/type_slots.h"

namespace provhub::hub {

bool TypeSlots::Enter(Type type, std::uint64_t id) {
    Slot& slot = slots_[type];
    if (slot.open || slot.reply_owed) {
        slot.waiting.insert(id);
        return false;
    }
    slot.open = id;
    return true;
}

std::optional<std::uint64_t> TypeSlots::OnLeft(Type type, std::uint64_t id, bool reply_owed) {
    Slot& slot = slots_[type];
    if (slot.open != id) {
        slot.waiting.erase(id);
        return std::nullopt;
    }
    slot.open.reset();
    slot.reply_owed = reply_owed;
    return OpenNext(slot);
}

bool TypeSlots::IsReplyOwed(Type type) const {
    const auto found = slots_.find(type);
    return found != slots_.end() && found->second.reply_owed;
}

std::optional<std::uint64_t> TypeSlots::OnLateReply(Type type) {
    Slot& slot = slots_[type];
    slot.reply_owed = false;
    return OpenNext(slot);
}

std::optional<std::uint64_t> TypeSlots::Open(Type type) const {
    const auto found = slots_.find(type);
    return found == slots_.end() ? std::nullopt : found->second.open;
}

std::optional<std::uint64_t> TypeSlots::OpenNext(Slot& slot) {
    if (slot.open || slot.reply_owed || slot.waiting.empty()) {
        return std::nullopt;
    }
    slot.open = *slot.waiting.begin();
    slot.waiting.erase(slot.waiting.begin());
    return slot.open;
}

}  // namespace provhub::hub
