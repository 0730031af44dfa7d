#include "tools/nodesim/statistics.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace provhub::nodesim {
namespace {

// What is kept of the times, a few bytes each.
constexpr std::size_t kMaxTimes = 1'000'000;

double Rounded(double value) {
    return std::round(value * 10) / 10;
}

double Seconds(absl::Duration duration) {
    return std::round(absl::ToDoubleSeconds(duration) * 1000) / 1000;
}

struct Usage {
    absl::Duration cpu;
    // Of resident memory.
    long max_kb = 0;
};

Usage OfThisProcess() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return {absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime), usage.ru_maxrss};
}

}  // namespace

void Statistics::Connected(absl::Duration took) {
    const auto now_connected = connected_.fetch_add(1) + 1;
    absl::MutexLock lock(&mutex_);
    if (connect_ms_.size() < kMaxTimes) {
        connect_ms_.push_back(static_cast<float>(absl::ToDoubleMilliseconds(took)));
    }
    if (now_connected == nodes_ && all_connected_after_ == absl::InfiniteDuration()) {
        all_connected_after_ = absl::Now() - begun_;
    }
}

void Statistics::Ended(bool connected, const absl::Status& status) {
    if (connected) {
        connected_.fetch_sub(1);
    }
    absl::MutexLock lock(&mutex_);
    ++(connected ? lost_ : refused_);
    Ending& ending = endings_[absl::StatusCodeToString(status.code())];
    if (ending.count++ == 0) {
        ending.message = std::string(status.message());
    }
}

bool Statistics::all_were_connected() const {
    absl::MutexLock lock(&mutex_);
    return all_connected_after_ != absl::InfiniteDuration();
}

Statistics::Times Statistics::ConnectTimes() const {
    std::vector<float> times;
    {
        absl::MutexLock lock(&mutex_);
        times = connect_ms_;
    }
    if (times.empty()) {
        return {};
    }
    std::ranges::sort(times);
    const auto at = [&](double share) {
        return Rounded(times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))]);
    };
    return {at(0.5), at(0.99), at(1)};
}

std::string Statistics::Progress() const {
    std::uint64_t lost = 0;
    std::uint64_t refused = 0;
    {
        absl::MutexLock lock(&mutex_);
        lost = lost_;
        refused = refused_;
    }
    return absl::StrCat(connected(), " of ", nodes_, " nodes connected, ", requests.load(), " requests, ",
                        answers.load(), " answers, ", lost, " streams lost, ", refused, " attempts failed");
}

std::string Statistics::Table() const {
    const Times times = ConnectTimes();
    const Usage usage = OfThisProcess();
    absl::MutexLock lock(&mutex_);
    std::string all = "never";
    if (all_connected_after_ != absl::InfiniteDuration()) {
        all = absl::StrCat("after ", Seconds(all_connected_after_), " s");
    }
    std::string table =
        absl::StrCat("nodes            ", nodes_, ", ", connected_.load(), " connected at the end\n",
                     "all connected    ", all, "\n", "attempts         ", attempts.load(), ", ", refused_, " failed, ",
                     lost_, " streams lost\n", "connecting       p50 ", times.p50_ms, " ms, p99 ", times.p99_ms,
                     " ms, max ", times.max_ms, " ms\n", "requests         ", requests.load(), ", ", answers.load(),
                     " answers sent, ", faults.load(), " faults, ", cancellations.load(), " cancelled\n",
                     "this process     ", Seconds(usage.cpu), " s of processor time, ", usage.max_kb / 1024, " MiB\n");
    for (const auto& [code, ending] : endings_) {
        absl::StrAppend(&table, "ended ", code, "  ", ending.count, " times, first: ", ending.message, "\n");
    }
    return table;
}

std::string Statistics::Json() const {
    const Times times = ConnectTimes();
    const Usage usage = OfThisProcess();
    absl::MutexLock lock(&mutex_);
    nlohmann::json endings = nlohmann::json::array();
    for (const auto& [code, ending] : endings_) {
        endings.push_back({{"status", code}, {"count", ending.count}, {"message", ending.message}});
    }
    nlohmann::json json = {
        {"nodes", nodes_},
        {"connected", connected_.load()},
        {"allConnectedAfterSeconds", nullptr},
        {"attempts", attempts.load()},
        {"attemptsFailed", refused_},
        {"streamsLost", lost_},
        {"connectMilliseconds", {{"p50", times.p50_ms}, {"p99", times.p99_ms}, {"max", times.max_ms}}},
        {"requests", requests.load()},
        {"answers", answers.load()},
        {"faults", faults.load()},
        {"cancellations", cancellations.load()},
        {"endings", endings},
        {"cpuSeconds", Seconds(usage.cpu)},
        {"maxResidentKilobytes", usage.max_kb},
    };
    if (all_connected_after_ != absl::InfiniteDuration()) {
        json["allConnectedAfterSeconds"] = Seconds(all_connected_after_);
    }
    return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace provhub::nodesim
