// The processes on the far side of the load: a main node with a direct server beside it, and an agent.
#ifndef PROVHUB_TESTS_BENCH_FORWARDING_ROLES_H_
#define PROVHUB_TESTS_BENCH_FORWARDING_ROLES_H_

#include <string>

namespace provhub::bench {

inline constexpr char kAgentId[] = "agent";

// A main node with its real listeners, hub and router, and a listener of the same kind whose CreateKey answers by
// itself. Writes three ports to standard output, public, protected and direct, then a line when the agent has
// connected. Returns when the standard input is closed.
void RunHub();

// A secondary node with the real link, whose operations end at once. Returns when the standard input is closed.
void RunAgent(const std::string& main_node);

}  // namespace provhub::bench

#endif  // PROVHUB_TESTS_BENCH_FORWARDING_ROLES_H_
